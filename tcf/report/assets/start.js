// Everything is defined: draw.

startCurves();
startTables();
startRecords();
BY_ID("data-list").append(...DATA.data.map(dataSet));
startExplorer();
