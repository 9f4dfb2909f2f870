"""What all suites share: promises that speak when they are broken, and no quiet way around one."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest

from gcache.errors import GCacheConfigError

Test = TypeVar("Test", bound=Callable[..., Any])


def needs(*capabilities: str) -> Callable[[Test], Test]:
    """Say that a test is about something that only holds where all `capabilities` are declared."""

    def mark(test: Test) -> Test:
        test.needs = capabilities  # type: ignore[attr-defined]
        return test

    return mark


class Suite:
    """A list of promises; subclass the one of your part, and give it the fixture that it asks for.

    Each test stands for one promise. Its docstring has the promise in its first paragraph and, in its
    second, what core does that makes it necessary; a failure shows both.

    A test cannot be overridden. One that your part does not pass yet goes into `expected_failures`, with the
    reason; it is then run all the same, and an error as soon as it passes. Raises GCacheConfigError, when
    the subclass is made, for a test that is not there, a reason that is none, or an overridden test.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    """The names of tests that fail today, and why."""

    topics: ClassVar[Mapping[str, str]] = {}
    """The names of all tests, and the topic that each belongs to. Made by the suite."""

    def __init_subclass__(cls, topic: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if topic:
            own = [name for name in vars(cls) if name.startswith("test")]
            cls.topics = dict.fromkeys(own, topic)
            for name in own:
                setattr(cls, name, _speaking(vars(cls)[name]))
            return
        promises: dict[str, str] = {}
        for base in cls.__mro__[1:]:
            promises = {**promises, **vars(base).get("topics", {})}
        if overridden := sorted(name for name in promises if not _is_the_promise(cls, name)):
            raise GCacheConfigError(
                f"{cls.__name__} overrides {', '.join(overridden)}, and with it the promise: what fails for "
                "the time being goes into expected_failures, with the reason."
            )
        cls.topics = promises
        _check_expected(cls)

    @pytest.fixture(autouse=True)
    def _as_declared(self, request: pytest.FixtureRequest) -> None:
        """Leave out what is not promised, and expect what was said to fail."""
        test: Any = request.function
        name = test.__name__
        # `record_property` would do the same, and warn that newer JUnit schemas do not know it.
        request.node.user_properties.extend(self._told(name).items())
        for capability in getattr(test, "needs", ()):
            if not getattr(self, capability):
                pytest.skip(f"{type(self).__name__} declares {capability} = {getattr(self, capability)!r}")
        if name in self.expected_failures:
            reason = self.expected_failures[name]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    def _told(self, test: str) -> Mapping[str, str]:
        """Return what a report says of `test`, beside its outcome."""
        subject = (type(self).__doc__ or type(self).__name__).partition("\n")[0].rstrip(".")
        return {"subject": subject, "topic": self.topics.get(test, "more")}


def forgotten(suite: object, fixture: str, example: str) -> NoReturn:
    """Fail because an author has not given `fixture`, and show what it may look like."""
    shown = textwrap.indent(inspect.cleandoc(example), " " * 8)
    pytest.fail(
        f"{type(suite).__name__} lacks the fixture {fixture!r}. Give it one, such as\n\n"
        f"    class {type(suite).__name__}(...):\n{shown}\n",
        pytrace=False,
    )


def _is_the_promise(cls: type[Suite], name: str) -> bool:
    """Tell whether the test of this name is the suite's, and not one that `cls` or a mixin brings."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    return name in vars(owner).get("topics", {})


def _check_expected(cls: type[Suite]) -> None:
    for name, reason in cls.expected_failures.items():
        if name not in cls.topics:
            raise GCacheConfigError(
                f"{cls.__name__}.expected_failures names {name!r}, which is no test of this suite. "
                f"There are: {', '.join(sorted(cls.topics))}."
            )
        if not reason.strip():
            raise GCacheConfigError(
                f"{cls.__name__}.expected_failures gives no reason for {name!r}: say why it fails."
            )


def _speaking(test: Test) -> Test:
    """Return `test` so that whatever it raises says which promise was broken."""
    promise, _, reason = inspect.cleandoc(test.__doc__ or "").partition("\n\n")
    spoken = f"Broken promise: {' '.join(promise.split())}\nWhy it matters: {' '.join(reason.split())}"

    @functools.wraps(test)
    def speaking(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return test(*args, **kwargs)
        except (Exception, pytest.fail.Exception) as error:  # which is no Exception
            error.add_note(spoken)
            raise

    return speaking  # type: ignore[return-value]
