//! Output compared with files under `tests/golden/`; `UPDATE_GOLDEN=1` rewrites them.

use std::{fs, path::PathBuf};

/// The directory of the golden files.
pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Fails unless `actual` is what the golden file `name` holds.
pub(crate) fn compare(name: &str, actual: &str) {
    let path = directory().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        expected == actual,
        "{name} is not as expected (UPDATE_GOLDEN=1 rewrites it)\n--- expected\n{expected}\n--- actual\n{actual}"
    );
}
