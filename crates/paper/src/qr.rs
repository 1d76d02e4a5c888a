//! QR codes as SVG, for links that are shown on a screen or printed.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// A QR code of `text` at error-correction level M (SMART Health Links), with its
/// quiet zone, as an SVG that scales. None where the text is longer than a code
/// can hold (2,331 bytes).
pub fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(
        code.render::<svg::Color<'_>>()
            .quiet_zone(true)
            .min_dimensions(200, 200)
            .dark_color(svg::Color("#000000"))
            .light_color(svg::Color("#ffffff"))
            .build(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_an_svg_that_says_nothing_of_its_text() {
        let svg = qr_svg("shlink:/eyJ1cmwiOiJodHRwczovL2V4YW1wbGUub3JnIn0").unwrap();
        assert!(svg.contains("<svg") && svg.contains("</svg>"));
        assert!(!svg.contains("shlink") && !svg.contains("<script"));
        assert_ne!(Some(svg), qr_svg("shlink:/other"));
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert!(qr_svg(&"x".repeat(2_331)).is_some());
        assert!(qr_svg(&"x".repeat(2_332)).is_none());
    }
}
