from tests.e2e.conftest import box, engine_python  # noqa: F401
