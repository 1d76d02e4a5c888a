//! Notes and checkpoints: published ones verify, and everything that is almost
//! one is refused.

use super::super::note::open;
use super::*;

const EXAMPLES: &str = include_str!("../../../testdata/signed-note-examples.txt");
const CHECKPOINT_EXAMPLE: &str = include_str!("../../../testdata/tlog-checkpoint-examples.txt");

fn published() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../testdata/signed-note.json")).unwrap()
}

fn text<'a>(file: &'a serde_json::Value, name: &str) -> &'a str {
    file[name].as_str().unwrap()
}

fn from_seed(file: &serde_json::Value, name: &str, seed: &str, kind: NoteKind) -> NoteSigner {
    let seed = Secret::from_slice(&from_hex(text(file, seed)).unwrap()).unwrap();
    NoteSigner::new(name, kind, SigningKey::from_secret(&seed)).unwrap()
}

#[test]
fn the_specifications_note_verifies() {
    let file = published();
    let vkey = text(&file, "c2sp_vkey");
    let verifier = NoteVerifier::from_vkey(vkey).unwrap();
    assert_eq!(verifier.vkey(), vkey);
    let (body, held) = open(text(&file, "c2sp_note"), &[verifier]).unwrap();
    assert_eq!(body, "This is an example message.\n");
    assert_eq!(held.len(), 1);
    assert!(EXAMPLES.contains(text(&file, "c2sp_note").trim_end()));
}

#[test]
fn texts_with_blank_lines_split_at_the_last_one() {
    let poem = EXAMPLES.split("\n=====\n").next().unwrap();
    let poem = format!("{}\n", poem.trim_end());
    let (body, lines) = super::super::note::split(&poem).unwrap();
    assert!(body.ends_with("sole:\n\ned è subito sera.\n"), "{body}");
    assert!(lines.starts_with("— quasimodo.example/salvatore "));
    // Its key is not published: well formed, but nobody known signed it.
    assert_eq!(open(&poem, &[]), Err(NoteError::Unsigned));
}

#[test]
fn the_specifications_checkpoint_is_read() {
    let note = format!("{}\n", CHECKPOINT_EXAMPLE.trim_end());
    let (body, _) = super::super::note::split(&note).unwrap();
    let checkpoint = Checkpoint::parse(body).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(checkpoint.to_text(), body);
}

#[test]
fn our_checkpoints_and_cosignatures_are_the_published_bytes() {
    let file = published();
    let log = from_seed(
        &file,
        "records.example.org/audit",
        "log_seed_hex",
        NoteKind::Ed25519,
    );
    let witness = from_seed(
        &file,
        "witness.example.net/w1",
        "witness_seed_hex",
        NoteKind::Cosignature,
    );
    assert_eq!(log.verifier().vkey(), text(&file, "log_vkey"));
    assert_eq!(witness.verifier().vkey(), text(&file, "witness_vkey"));
    let checkpoint = Checkpoint::parse(text(&file, "checkpoint_body")).unwrap();
    let note = sign_checkpoint(&checkpoint, &log).unwrap();
    assert_eq!(note, text(&file, "checkpoint_note"));
    let cosigned = text(&file, "cosigned_note");
    let (read, held) = open_checkpoint(cosigned, &log.verifier(), &[witness.verifier()]).unwrap();
    assert_eq!(read, checkpoint);
    let [signed] = &held[..] else {
        panic!("one cosignature")
    };
    assert_eq!(signed.name, "witness.example.net/w1");
    assert_eq!(cosign(&note, &witness, signed.time).unwrap(), cosigned);
    // Whoever does not know the witness reads the same checkpoint.
    assert_eq!(verify_checkpoint(cosigned, &log.verifier()), Ok(checkpoint));
}

fn log() -> NoteSigner {
    signer("log.example", 1, NoteKind::Ed25519)
}

fn good_note() -> String {
    let checkpoint = Checkpoint {
        origin: "log.example".to_owned(),
        size: 7,
        root: [9; 32],
    };
    sign_checkpoint(&checkpoint, &log()).unwrap()
}

#[test]
fn notes_that_are_almost_right_are_refused() {
    let good = good_note();
    let known = [log().verifier()];
    assert!(open(&good, &known).is_ok());
    let line = good.rsplit_once("\n\n").unwrap().1;
    for (why, bad) in [
        ("CRLF", good.replace('\n', "\r\n")),
        ("hyphen", good.replace('\u{2014}', "-")),
        ("en dash", good.replace('\u{2014}', "\u{2013}")),
        ("no final newline", good.trim_end().to_owned()),
        ("unpadded base64", good.replace("=\n", "\n")),
        ("URL-safe base64", good.replace('+', "-").replace('/', "_")),
        ("two spaces", good.replace("log.example ", "log.example  ")),
        ("tab", good.replace('7', "\t")),
        ("no blank line", good.replace("\n\n", "\n")),
        ("no signatures", good.replace(line, "")),
        ("blank line at the end", format!("{good}\n")),
        (
            "short signature",
            good.replace(line, "\u{2014} log.example AAAA\n"),
        ),
        ("plus in a name", format!("{good}\u{2014} a+b AAAAAAAA\n")),
        ("empty name", format!("{good}\u{2014}  AAAAAAAA\n")),
        ("not a signature line", format!("{good}hello\n")),
        ("empty", String::new()),
        ("newline", "\n".to_owned()),
        ("two newlines", "\n\n".to_owned()),
        ("endless", format!("{}{good}", "a".repeat(note::MAX_NOTE))),
        (
            "too many lines",
            format!(
                "{good}{}",
                "\u{2014} x AAAAAAAA\n".repeat(note::MAX_SIGNATURES)
            ),
        ),
    ] {
        assert_ne!(bad, good, "{why}");
        assert_eq!(open(&bad, &known), Err(NoteError::Malformed), "{why}");
    }
}

#[test]
fn unknown_keys_are_ignored_and_known_ones_must_hold() {
    let good = good_note();
    let known = [log().verifier()];
    let many = format!("{good}{}", "\u{2014} x AAAAAAAA\n".repeat(16));
    assert_eq!(open(&many, &known).unwrap().1.len(), 1);
    assert_eq!(open(&good, &[]), Err(NoteError::Unsigned));
    let stranger = signer("log.example", 2, NoteKind::Ed25519).verifier();
    assert_eq!(open(&good, &[stranger]), Err(NoteError::Unsigned));
    let renamed = signer("other.example", 1, NoteKind::Ed25519).verifier();
    assert_eq!(open(&good, &[renamed]), Err(NoteError::Unsigned));
    // A good signature first does not excuse a bad one of a known key.
    let changed = good.replacen('7', "8", 1);
    assert_eq!(open(&changed, &known), Err(NoteError::BadSignature));
    let (body, line) = good.rsplit_once("\n\n").unwrap();
    let other = signer("log.example", 1, NoteKind::Ed25519).line("other\n", 0);
    let both = format!("{body}\n\n{line}{other}");
    assert_eq!(open(&both, &known), Err(NoteError::BadSignature));
}

#[test]
fn every_changed_byte_of_a_checkpoint_is_noticed() {
    let good = good_note();
    let verifier = log().verifier();
    for (at, c) in good.char_indices().filter(|(_, c)| c.is_ascii()) {
        let other = if c == 'A' { "B" } else { "A" };
        let mut bad = good.clone();
        bad.replace_range(at..=at, other);
        assert!(verify_checkpoint(&bad, &verifier).is_err(), "{at}");
    }
}

#[test]
fn texts_that_are_almost_checkpoints_are_refused() {
    let root = STANDARD.encode([9; 32]);
    assert!(Checkpoint::parse(&format!("o\n0\n{root}\n")).is_ok());
    assert!(Checkpoint::parse(&format!("o\n7\n{root}\nextension\n")).is_ok());
    for bad in [
        format!("o\n07\n{root}\n"),
        format!("o\n+7\n{root}\n"),
        format!("o\n-7\n{root}\n"),
        format!("o\n 7\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("\n7\n{root}\n"),
        format!("o\n7\n{root}"),
        format!("o\n7\n{root}\n\n"),
        format!("o\n7\n{root}\n\nextension\n"),
        format!("o\n7\n{}\n", &root[..43]),
        format!("o\n7\n{}\n", STANDARD.encode([9; 31])),
        "o\n7\n".to_owned(),
        "o\n7\n\n".to_owned(),
        String::new(),
    ] {
        assert_eq!(
            Checkpoint::parse(&bad),
            Err(CheckpointError::Malformed),
            "{bad:?}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let checkpoint = Checkpoint {
        origin: "other.example".to_owned(),
        size: 1,
        root: [0; 32],
    };
    assert_eq!(
        sign_checkpoint(&checkpoint, &log()),
        Err(CheckpointError::Origin)
    );
    // A log that signs another's origin all the same.
    let text = checkpoint.to_text();
    let note = format!("{text}\n{}", log().line(&text, 0));
    assert_eq!(
        verify_checkpoint(&note, &log().verifier()),
        Err(CheckpointError::Origin)
    );
}

#[test]
fn a_cosignature_alone_is_no_checkpoint() {
    let witness = signer("log.example", 1, NoteKind::Cosignature);
    let text = Checkpoint {
        origin: "log.example".to_owned(),
        size: 1,
        root: [0; 32],
    }
    .to_text();
    let note = format!("{text}\n{}", witness.line(&text, 5));
    assert!(open(&note, &[witness.verifier()]).is_ok());
    let unsigned = Err(CheckpointError::Note(NoteError::Unsigned));
    assert_eq!(verify_checkpoint(&note, &witness.verifier()), unsigned);
    let both = open_checkpoint(&note, &log().verifier(), &[witness.verifier()]);
    assert_eq!(both.map(|(checkpoint, _)| checkpoint), unsigned);
    assert_eq!(
        sign_checkpoint(&Checkpoint::parse(&text).unwrap(), &witness),
        Err(CheckpointError::Origin)
    );
}

#[test]
fn vkeys_that_are_almost_right_are_refused() {
    let good = log().verifier().vkey();
    assert!(NoteVerifier::from_vkey(&good).is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    for bad in [
        String::new(),
        name.to_owned(),
        format!("{name}+{id}"),
        format!("{name}+{}+{key}", id.to_uppercase()),
        format!("{name}+00000000+{key}"),
        format!("other+{id}+{key}"),
        format!("+{id}+{key}"),
        format!("{name}+{id}+{key}A"),
        format!("{name}+{id}+{}", key.trim_end_matches('=')),
        format!("{name}+{id}+AgAA"),
        format!("{name} +{id}+{key}"),
    ] {
        if bad != good {
            assert_eq!(NoteVerifier::from_vkey(&bad), Err(NoteError::Key), "{bad}");
        }
    }
    for bad in ["", "a b", "a+b", "a\n"] {
        let key = SigningKey::from_secret(&Secret::from_bytes([1; 32]));
        assert!(NoteSigner::new(bad, NoteKind::Ed25519, key).is_err());
    }
}
