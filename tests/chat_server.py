"""A real chat endpoint on this machine, which answers what a test tells it to."""

from collections.abc import Callable
from typing import Any

from tests.embedding_server import Act, EmbeddingServer

Say = Callable[[str], str | None]


class ChatServer(EmbeddingServer):
    """Serves ``POST /v1/chat/completions`` within a ``with`` block.

    Args:
        say: From a prompt to the answer.
        script: What to do with the first requests, as in `EmbeddingServer`.
        finish: Why each answer ends.
    """

    def __init__(self, say: Say, *script: Act, finish: str = "stop", key: str | None = None):
        super().__init__(*script, key=key, path="/v1/chat/completions")
        self._say, self._finish = say, finish

    @property
    def prompts(self) -> list[str]:
        """The prompt of every request, in order of arrival."""
        return [request["messages"][0]["content"] for request in self.requests]

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        prompt = request["messages"][0]["content"]
        text = self._say(prompt)
        message = {"role": "assistant", "content": text}
        tokens_in, tokens_out = len(prompt.split()), len((text or "").split())
        return {
            "object": "chat.completion",
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": self._finish}],
            "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out},
        }
