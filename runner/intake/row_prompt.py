"""From a row of a table to the content of its user message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runner.intake.sandbox import NotTextError, NullError, cell_text
from runner.intake.template_bounds import CHARACTERS_MAX
from runner.intake.templates import BOUND, RenderError
from runner.rules.requests.image_url import is_web_address
from runner.rules.requests.request_frame import row_content

if TYPE_CHECKING:
    from collections.abc import Mapping


class TextSource(Protocol):
    """Makes the text of a prompt from a row; `columns` are those that it reads."""

    columns: tuple[str, ...]

    def render(self, row: Mapping[str, Any]) -> str:
        """Return the text for a row. Raises RenderError."""
        ...


class CellText:
    """A column whose cells are the prompts."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.columns: tuple[str, ...] = (column,)

    def render(self, row: Mapping[str, Any]) -> str:
        """Return the cell as text. Raises RenderError where it is null, no text, or too long."""
        column = self._column
        try:
            text = cell_text(row[column])
        except NullError as error:
            fix = "fill the cell, or leave such rows out with --where"
            raise RenderError("null-cell", str(error), fix, column) from error
        except NotTextError as error:
            raise RenderError("not-text", str(error), "name a column of texts", column) from error
        if len(text) > CHARACTERS_MAX:
            reason = f"the cell is longer than {CHARACTERS_MAX >> 20} million characters"
            raise RenderError(BOUND, reason, "split it into several rows", column)
        return text


class RowPrompt:
    """The user message of a row: a text, and the image of a column where there is one."""

    def __init__(self, text: TextSource, image: str | None) -> None:
        """Use `text`, and the column `image` for addresses of images; None is no images."""
        self._render = text.render
        self._image = image
        extra = () if image is None or image in text.columns else (image,)
        self.columns = (*text.columns, *extra)
        self._text_column = text.columns[0] if len(text.columns) == 1 else None

    def content(self, row: Mapping[str, Any]) -> bytes:
        """Return the JSON of the message's content. Raises RenderError."""
        text = self._render(row)
        image = None if self._image is None else _image_url(row[self._image], self._image)
        if image is None and not text.strip():
            fix = "fill the cells, or leave such rows out with --where"
            raise RenderError("empty-prompt", "the prompt is empty", fix, self._text_column)
        try:
            return row_content(text, image)
        except TypeError as error:  # orjson refuses lone surrogates
            fix = "save the table in UTF-8, or name its --encoding"
            raise RenderError("lone-surrogate", "the prompt is no valid Unicode", fix) from error


def _image_url(cell: Any, column: str) -> str | None:
    """Return the address in a cell; None for an empty one. Raises RenderError for what is no address."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, str) and is_web_address(cell) and cell.isprintable():
        return cell
    shown = cell if isinstance(cell, str) else type(cell).__name__
    fix = "give an https:// address, or leave the cell empty; images are not read from disk"
    raise RenderError("bad-image-url", f'"{shown:.60}" is no address of an image', fix, column)
