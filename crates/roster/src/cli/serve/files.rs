//! Whether other users of the machine can read or change the files that hold keys and people.

use std::path::Path;

/// Refuses a file that others may write to, unless that is allowed. Of one that others may read it returns what to say of
/// it: orchestrators mount secrets so. A file that is not there is somebody else's to complain of.
pub(super) fn guard(path: &Path, what: &str, may_be_writable: bool) -> anyhow::Result<Option<String>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let Ok(file) = std::fs::metadata(path) else { return Ok(None) };
        let (mode, path) = (file.permissions().mode(), path.display());
        if mode & 0o022 != 0 && !may_be_writable {
            anyhow::bail!(
                "others than its owner may write to {what} {path}: run `chmod go-w {path}`, or allow it with \
                 --allow-writable-files"
            );
        }
        if mode & 0o044 != 0 {
            return Ok(Some(format!("others than its owner may read {what} {path}: run `chmod go-r {path}`")));
        }
    }
    Ok(None)
}
