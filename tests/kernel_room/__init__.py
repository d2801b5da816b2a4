"""Host objects on a real kernel, each test in a box of its own."""
