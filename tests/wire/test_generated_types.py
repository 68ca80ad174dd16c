"""tools/generate_types.py: types of exactly the shapes that built operations reach, the same in every run."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "generate_types.py"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, looking at services in a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("generate_types", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SERVICES", tmp_path / "src" / "pilvi" / "services")
    return module


def service(tool: ModuleType, name: str, *operations: str) -> Path:
    folder: Path = tool.SERVICES / name
    folder.mkdir(parents=True)
    marks = "".join(f'@operation("{each}", reads=True)\ndef run_{each}(ctx, req): ...\n' for each in operations)
    (folder / "__init__.py").write_text("")
    (folder / "things.py").write_text(f"import nonsense_that_is_not_there\n{marks}")
    return folder


def generated(tool: ModuleType, folder: Path) -> dict[str, dict[str, str]]:
    """The generated classes: their fields, and what is written behind them."""
    assert tool.main([]) == 0
    return {
        node.name: {
            field.target.id: ast.unparse(field.annotation)
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        }
        for node in ast.walk(ast.parse((folder / "types.py").read_text()))
        if isinstance(node, ast.ClassDef)
    }


def test_what_is_reached(tool: ModuleType) -> None:
    """The shapes of the marked operations are there, with what they require; others are not."""
    classes = generated(tool, service(tool, "lambda_", "GetFunction", "Invoke"))
    assert classes["GetFunctionRequest"] == {"FunctionName": "str", "Qualifier": "NotRequired[str]"}
    assert classes["FunctionConfiguration"]["Timeout"] == "NotRequired[int]"
    assert "CreateFunctionRequest" not in classes


def test_streams(tool: ModuleType) -> None:
    """A streaming payload is Staged on its way in, a Body or bytes on its way out; times are datetimes."""
    classes = generated(tool, service(tool, "s3", "PutObject", "GetObject"))
    assert classes["PutObjectRequest"]["Body"] == "NotRequired[Staged]"
    assert classes["GetObjectOutput"]["Body"] == "NotRequired[Body | bytes]"
    assert classes["GetObjectOutput"]["LastModified"] == "NotRequired[datetime]"


def test_recursive_shapes(tool: ModuleType) -> None:
    """A shape that contains itself is written once."""
    classes = generated(tool, service(tool, "dynamodb", "PutItem"))
    assert classes["AttributeValue"]["L"] == "NotRequired[list[AttributeValue]]"


def test_check(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """--check writes nothing and says what would change; a second run changes nothing."""
    folder = service(tool, "sts", "GetCallerIdentity")
    assert tool.main(["--check"]) == 1
    assert not (folder / "types.py").exists()
    assert "make generate" in capsys.readouterr().out
    assert tool.main([]) == 0
    written = (folder / "types.py").read_text()
    assert tool.main(["--check"]) == 0
    assert tool.main([]) == 0
    assert (folder / "types.py").read_text() == written
    (folder / "types.py").write_text(written + "# edited by hand\n")
    assert tool.main(["--check"]) == 1
    assert "edited by hand" in capsys.readouterr().out


def test_operations_that_aws_does_not_have(tool: ModuleType) -> None:
    """A misspelt operation is an error that names it."""
    service(tool, "sts", "GetCallerIdentiti")
    with pytest.raises(SystemExit, match="GetCallerIdentiti"):
        tool.main([])
