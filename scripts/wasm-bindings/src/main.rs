//! Writes the JavaScript and TypeScript that surround the WebAssembly core.
//!
//! `wasm-bindings <chartkey_wasm.wasm> [web|nodejs <folder>]…`
//!
//! What the `wasm-bindgen` command does, from its library: a third of the
//! crates to build, and a version that a lock file holds.

use std::{env, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((input, outputs)) = arguments.split_first() else {
        eprintln!("usage: wasm-bindings <file.wasm> [web|nodejs <folder>]...");
        return ExitCode::from(2);
    };
    for output in outputs.chunks(2) {
        let written = match output {
            [kind, folder] => write(input, kind, folder),
            _ => Err("a kind without a folder".to_owned()),
        };
        if let Err(why) = written {
            eprintln!("wasm-bindings: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(input: &str, kind: &str, folder: &str) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    match kind {
        "web" => bindgen.web(true),
        "nodejs" => bindgen.nodejs(true),
        _ => return Err(format!("no such kind: {kind}")),
    }
    .and_then(|bindgen| {
        bindgen
            .input_path(input)
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(folder)
    })
    .map_err(|why| format!("{why:#}"))
}
