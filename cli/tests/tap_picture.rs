//! docs/tap.svg is what `conversion-relay tap` writes to a terminal of tests/tap/records.ndjson. `make docs` draws it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anstyle_svg::{Palette, Term};

const COMMANDS: [&[&str]; 2] =
    [&[], &["-v", "--order", "ORD-001", "--integration", "Podsights_Production", "--outcome", "delivered"]];

fn in_crate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A terminal's screen after the commands, with its escape sequences.
fn screen() -> String {
    let mut screen = String::new();
    for arguments in COMMANDS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
        command.arg("tap").args(arguments).args(["--color", "always"]);
        let output =
            command.stdin(File::open(in_crate("tests/tap/records.ndjson")).unwrap()).output().unwrap();
        assert!(output.status.success());
        let shown = ["conversion-relay", "tap"].into_iter().chain(arguments.iter().copied());
        screen += &format!("$ {}\n", shown.collect::<Vec<_>>().join(" "));
        screen += &String::from_utf8(output.stdout).unwrap();
        screen += "\n";
    }
    screen.trim_end().to_owned()
}

/// The screen as a picture whose text can be selected. It has a background of its own, so it can be read on a page of any colour.
fn picture() -> String {
    let terminal =
        Term::new().palette(palette()).fg_color(rgb(0xd8_de_e4).into()).bg_color(rgb(0x16_1b_22).into());
    let svg = terminal.render_svg(&screen());
    // With a viewBox a page can show it smaller than it is.
    let [width, height] = ["width", "height"].map(|name| {
        let (_, rest) = svg.split_once(&format!("{name}=\"")).unwrap();
        rest.split_once("px\"").unwrap().0.to_owned()
    });
    let svg = svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1);
    // A part of a text has no opacity of its own in SVG, and what is faint has to be legible.
    let (theirs, ours) = (".dimmed { opacity: 0.4; }", ".dimmed { fill-opacity: 0.65; }");
    assert!(svg.contains(theirs));
    svg.replace(theirs, ours)
}

/// Colours that are legible on the dark background.
fn palette() -> Palette {
    let [black, white] = [0x48_4f_58, 0xb1_ba_c4].map(rgb);
    let [red, green, yellow] = [0xff_7b_72, 0x3f_b9_50, 0xd2_99_22].map(rgb);
    let [blue, magenta, cyan] = [0x58_a6_ff, 0xbc_8c_ff, 0x39_c5_cf].map(rgb);
    let colours = [black, red, green, yellow, blue, magenta, cyan, white];
    Palette::from(std::array::from_fn(|index| colours[index % colours.len()]))
}

fn rgb(code: u32) -> anstyle::RgbColor {
    let [_, red, green, blue] = code.to_be_bytes();
    anstyle::RgbColor(red, green, blue)
}

#[test]
fn the_picture_in_the_manual_is_what_the_tap_writes() {
    let (file, picture) = (in_crate("../docs/tap.svg"), picture());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &picture).unwrap();
    }
    assert!(std::fs::read_to_string(&file).unwrap_or_default() == picture, "run: make docs");
}
