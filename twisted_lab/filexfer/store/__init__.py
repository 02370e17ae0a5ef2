"""One root, and the files that go in and out of it: all of this blocks, and runs in a thread pool."""
