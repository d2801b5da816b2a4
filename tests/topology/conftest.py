from tests.e2e.conftest import box, module_box  # noqa: F401
