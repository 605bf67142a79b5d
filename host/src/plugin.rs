//! Runs plugins: engine, compiled-code store, limits, bindings, one adapter per plugin kind.
