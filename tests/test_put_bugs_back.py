"""Each bug of tests.benchmarks.put_bugs_back still has its one place in the code."""

import pytest

from tests.benchmarks.put_bugs_back import BUGS, ROOT, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
class TestBug:
    def test_its_line_occurs_exactly_once(self, bug: Bug) -> None:
        assert (ROOT / bug.file).read_text().count(bug.right) == 1

    def test_put_back_it_is_python(self, bug: Bug) -> None:
        text = (ROOT / bug.file).read_text()
        compile(text.replace(bug.right, bug.wrong), bug.file, "exec")

    def test_what_should_see_it_is_there(self, bug: Bug) -> None:
        assert [name for name in bug.tests if not (ROOT / name).is_file()] == []
