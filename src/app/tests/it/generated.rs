//! The committed reference pages are what the code says.

use std::fs;
use std::path::Path;

use crate::{run, text};

#[test]
fn reference_pages_are_fresh() {
    let fresh = tempfile::tempdir().unwrap();
    let (code, _, err) = run(&["gen", text(fresh.path())]);
    assert_eq!(code, 0, "{err}");
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let mut count = 0;
    for entry in fs::read_dir(fresh.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        let old = fs::read(committed.join(name)).unwrap_or_default();
        assert!(
            old == fs::read(&path).unwrap(),
            "docs/reference/{} is stale: run `make fix`",
            name.display()
        );
        count += 1;
    }
    assert_eq!(count, 5);
}
