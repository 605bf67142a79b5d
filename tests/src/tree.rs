//! Compares unpacked trees, file by file.
