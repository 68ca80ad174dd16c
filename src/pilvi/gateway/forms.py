"""A request whose headers stand at the beginning of its body: an HTML form, whose last field is a file.

The fields come first and are few; when they are there, the request is authenticated, authorised and planned by them, and
what follows goes to the receiver that the plan asks for. The file is never held: see wire.multipart.
"""

from collections.abc import Callable

from pilvi.core.effects import Staged
from pilvi.gateway.bodies import Receiver
from pilvi.wire.aws_s3_form import no_file, problem
from pilvi.wire.multipart import FormReader, MalformedForm, TooManyFields


class FormReceiver:
    """Takes one form. Loop thread only.

    Args:
        reader: of the form's bytes.
        begin: called once, with the fields, when they are complete: what shall take the file, or raises why nothing shall.
    """

    __slots__ = ("_begin", "_error", "_file", "_reader")

    def __init__(self, reader: FormReader, begin: Callable[[dict[str, str]], Receiver]) -> None:
        self._reader = reader
        self._begin = begin
        self._file: Receiver | None = None
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None or (self._file is not None and self._file.failed)

    def result(self) -> Staged:
        """The file.

        Raises:
            CloudError: why there is none.
        """
        if self._error is not None:
            raise self._error
        assert self._file is not None, "the form has not come yet"
        return self._file.result()

    def feed(self, data: bytes, resume: Callable[[], None]) -> bool:
        """See Receives."""
        if self.failed:
            return True
        try:
            content = self._reader.feed(data)
            if self._file is None and self._reader.file_begun:
                self._file = self._begin(self._reader.named())
        except (MalformedForm, TooManyFields) as error:
            self._fail(problem(error))
            return True
        except Exception as error:  # noqa: BLE001 - raised again by `result`, where errors become answers
            self._fail(error)
            return True
        if not content or self._file is None:
            return True
        return self._file.feed(content, resume)

    def end(self, done: Callable[[], None]) -> bool:
        """See Receives."""
        if self.failed:
            return True
        try:
            self._reader.finish()
        except MalformedForm as error:
            self._fail(problem(error))
            return True
        if self._file is None:
            self._fail(no_file())
            return True
        return self._file.end(done)

    def abort(self) -> None:
        """Forgets the file."""
        if self._file is not None:
            self._file.abort()

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self.abort()
