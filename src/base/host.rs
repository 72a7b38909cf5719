//! The machine this runs on.

/// Its name, as people know it from prompts and logs.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
