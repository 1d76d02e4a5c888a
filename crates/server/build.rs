//! Lists the built web app, so that the server carries it inside. Where it was
//! not built, the list is empty and the server serves its plain pages only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Bytes from which on a file is carried compressed only.
const LARGE: u64 = 64 << 10;

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = here.join("../../web/dist");
    // Watching a folder that is not there would rebuild the crate every time.
    let watched = if dist.is_dir() || fs::create_dir_all(&dist).is_ok() {
        "../../web/dist"
    } else {
        "build.rs"
    };
    let mut files = Vec::new();
    walk(&dist, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for path in files.iter().filter(|path| !is_encoded(path)) {
        let Ok(name) = path.strip_prefix(&dist) else {
            continue;
        };
        let name = name.to_string_lossy().replace('\\', "/");
        let full = path.canonicalize()?;
        let beside = |suffix: &str| {
            let other = PathBuf::from(format!("{}.{suffix}", full.display()));
            if other.is_file() {
                format!("Some(include_bytes!({:?}))", other.display().to_string())
            } else {
                "None".to_owned()
            }
        };
        let (brotli, gzip) = (beside("br"), beside("gz"));
        let plain = full.display().to_string();
        // Large ones are carried compressed only: every browser takes them so.
        let plain = if fs::metadata(&full)?.len() >= LARGE && gzip != "None" {
            "None".to_owned()
        } else {
            format!("Some(include_bytes!({plain:?}))")
        };
        writeln!(
            table,
            "    Asset {{ path: {name:?}, plain: {plain}, brotli: {brotli}, gzip: {gzip} }},",
        )
        .map_err(io::Error::other)?;
    }
    table.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("web_assets.rs"), table)?;
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        // Three megabytes of relocations that every start would read become
        // some fifty kilobytes. Linkers that cannot do it say so and go on.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    println!("cargo:rerun-if-changed={watched}");
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

fn is_encoded(path: &Path) -> bool {
    path.extension()
        .is_some_and(|suffix| suffix == "br" || suffix == "gz")
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
