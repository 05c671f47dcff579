//! A browser without a window: Chromium, by whatever name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// It takes a second or two; more on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a person has chosen for all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    Dark,
    Light,
}

fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let files = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "no browser: install chromium (scripts/install-packages test does), or one of {NAMES:?}"
        )
    })
}

/// Opens a page, and returns what the browser prints.
fn open(page: &str, options: &[&str], ground: Ground) -> String {
    // Two at once would each be slower than one after the other.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.html");
    fs::write(&file, page).expect("a file");
    let (output, errors) = (folder.path().join("output"), folder.path().join("errors"));
    let create = |path: &Path| Stdio::from(File::create(path).expect("a file"));
    let scheme = match ground {
        Ground::Dark => "--blink-settings=preferredColorScheme=0",
        Ground::Light => "--blink-settings=preferredColorScheme=1",
    };
    let mut child = Command::new(browser())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--hide-scrollbars", "--no-first-run", "--allow-file-access-from-files", scheme])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .args(options)
        .arg(format!("file://{}", file.display()))
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(create(&output))
        .stderr(create(&errors))
        .spawn()
        .expect("the browser starts");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break Some(status);
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            break None;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let read = |path| String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned();
    let errors = read(&errors);
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {errors}");
    read(&output)
}

/// A page with a picture within it, so that a script can look at its parts; and what the script's
/// function `look(svg)` returns.
pub fn look(svg: &str, width: u32, script: &str) -> serde_json::Value {
    // Base64, since the browser prints the page with its own escapes.
    let page = format!(
        "<!doctype html><meta charset=utf-8><style>body{{margin:0}}svg{{width:{width}px;height:auto;\
         display:block}}</style>{svg}<script>{script}
         const bytes = new TextEncoder().encode(JSON.stringify(look(document.querySelector('svg'))));
         const text = Array.from(bytes, byte => String.fromCharCode(byte)).join('');
         document.documentElement.innerHTML = '<body>BEGIN' + btoa(text) + 'END</body>';</script>"
    );
    let size = format!("--window-size={width},1000");
    let printed = open(&page, &["--dump-dom", &size], Ground::Light);
    let found = printed.split_once("BEGIN").and_then(|(_, rest)| rest.split_once("END"));
    let base64 = found.unwrap_or_else(|| panic!("the script has failed: {printed:.2000}")).0;
    let json = STANDARD.decode(base64).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}

/// What a page that shows the picture as an image looks like: rows of pixels, three bytes each.
pub fn screenshot(picture: &Path, (width, height): (u32, u32), ground: Ground) -> Vec<u8> {
    let page = format!(
        "<!doctype html><style>body{{margin:0}}img{{display:block}}</style>\
         <img width={width} src='file://{}'>",
        picture.display()
    );
    let name = format!("{}-{width}-{ground:?}.png", picture.display()).to_lowercase();
    let to = picture.with_file_name(Path::new(&name).file_name().expect("it has a name"));
    let options =
        [format!("--screenshot={}", to.display()), format!("--window-size={width},{height}")];
    open(&page, &[&options[0], &options[1]], ground);
    let file = std::io::BufReader::new(File::open(&to).expect("the browser wrote it"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("it fits into memory")];
    let info = reader.next_frame(&mut bytes).expect("a PNG");
    assert_eq!((info.width, info.height, info.bit_depth), (width, height, png::BitDepth::Eight));
    let channels = info.color_type.samples();
    bytes.chunks_exact(channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}
