//! What a browser's press sets, from fonts that are brought one by one, is what
//! the server sets from all of them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its data has failed"
)]

use chartkey_fhir::clinical::{ClinicalDocument, ClinicalRecord};
use chartkey_fhir::{Kinds, RecordType};
use chartkey_paper::{Fonts, Kit, PdfNotice, Sheet, render};
use jiff::Timestamp;
use serde_json::{Value, json};

fn document(texts: &[&str]) -> ClinicalDocument {
    let resources: Vec<Value> = texts
        .iter()
        .map(|text| json!({"resourceType": "Condition", "code": {"text": text}, "note": [{"text": text}]}))
        .collect();
    let records: Vec<_> = resources
        .iter()
        .map(|resource| ClinicalRecord {
            id: "1",
            record_type: RecordType::Conditions,
            sensitivity: Kinds::EMPTY,
            resource: Some(resource),
            text: None,
            title: "",
            date: None,
            source: Some("General Hospital"),
            author: None,
            sealed_by_server: true,
            file: None,
        })
        .collect();
    ClinicalDocument::from_records(&records)
}

fn notice<'a>() -> PdfNotice<'a> {
    PdfNotice {
        patient_name: "Pat Example",
        recipient: "Dr. Ada Byron",
        sender: "Pat Example",
        share_id: Some("01994f3e-8a4b-7c11-9d55-3f2a6b1c0e77"),
        purpose: None,
        message: Some("As we said."),
        generated_at: "2026-11-22T01:25:00Z".parse().unwrap(),
        expires_at: None,
        checkpoint: None,
        footer: None,
    }
}

/// Brings what is needed, as a browser does: by name, from the folder of fonts.
fn bring(fonts: &mut Fonts, sheet: &Sheet) -> Vec<&'static str> {
    let needed = fonts.needed(sheet);
    for name in &needed {
        let path = format!("{}/pdf/fonts/{name}", env!("CARGO_MANIFEST_DIR"));
        fonts.bring(name, std::fs::read(path).unwrap()).unwrap();
    }
    assert!(fonts.needed(sheet).is_empty());
    needed
}

#[test]
fn a_document_that_crossed_as_text_is_set_to_the_same_bytes() {
    let scripts = [
        "Asthma ≥ 3 × 10⁹/L → ☑ ½ “worse”",
        "ربو مزمن",
        "אסתמה",
        "दमा",
        "หอบหืด",
        "喘息",
        "천식",
        "ასთმა",
        "Averyveryverylongwordthatneedstobebrokensomewhere",
        "\u{e000}",
    ];
    for texts in [&scripts[..], &scripts[..1], &[]] {
        let document = document(texts);
        let told: Value = serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
        let sheet = Sheet::clinical(&told, &notice()).unwrap();
        let mut fonts = Fonts::new();
        bring(&mut fonts, &sheet);
        let brought = sheet.set(&fonts).unwrap();
        assert!(
            brought == render(&document, &notice()).unwrap(),
            "{texts:?}"
        );
    }
}

#[test]
fn a_document_needs_the_fonts_of_its_scripts_and_no_others() {
    let needed = |text: &str| {
        let sheet = Sheet::clinical(&document(&[text]), &notice()).unwrap();
        Fonts::new().needed(&sheet)
    };
    let plain = needed("Asthma");
    assert!(plain.contains(&"NotoSans-Regular.ttf") && plain.contains(&"NotoSans-Italic.ttf"));
    assert!(plain.len() < 6, "{plain:?}");
    let arabic = needed("ربو");
    assert!(arabic.contains(&"NotoSansArabic-Bold.ttf"));
    assert_eq!(arabic.len(), plain.len() + 2);
    assert_eq!(needed("a\u{200b}b\u{2060}c"), plain);
}

#[test]
fn a_recovery_kit_is_one_page_in_the_words_it_came_with() {
    let kit = Kit {
        lang: "es",
        title: "Hoja de recuperación",
        facts: &[("Correo".to_owned(), "ana@example.org".to_owned())],
        code: "7KQ2-M9XV-44TD-RRWN-0C8H-PZ3E-6A5J-YB1G",
        about: &["Guárdela con su pasaporte.".to_owned()],
        warning: "Nadie puede devolverla.",
    };
    let made: Timestamp = "2026-11-22T01:25:00Z".parse().unwrap();
    let sheet = Sheet::kit(&kit, made).unwrap();
    let mut fonts = Fonts::new();
    bring(&mut fonts, &sheet);
    let pdf = sheet.set(&fonts).unwrap();
    let pages = pdf_extract::extract_text_from_mem_by_pages(&pdf).unwrap();
    assert_eq!(pages.len(), 1);
    let text = pages.concat().replace('\u{200b}', "");
    for wanted in [
        kit.title,
        kit.warning,
        "ana@example.org",
        "pasaporte",
        "YB1G",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let read = pdf_extract::Document::load_mem(&pdf).unwrap();
    let lang = read.catalog().unwrap().get(b"Lang").unwrap();
    assert_eq!(lang.as_str().unwrap(), b"es");
}
