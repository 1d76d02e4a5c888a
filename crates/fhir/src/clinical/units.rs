//! Units as people write them. UCUM's case-sensitive codes are exact but not
//! readable: `10*3/uL` becomes `×10³/µL`, `mm[Hg]` becomes `mmHg`.

/// A readable unit from UCUM's code or whatever unit text a source gave.
/// Unknown units stay as they are.
pub fn readable(unit: &str) -> String {
    let unit = unit.trim();
    if let Some((_, shown)) = WHOLE.iter().find(|(code, _)| *code == unit) {
        return (*shown).to_owned();
    }
    let mut out = String::with_capacity(unit.len());
    for (position, part) in unit.split('/').enumerate() {
        if position > 0 {
            out.push('/');
        }
        out.push_str(&factor(part));
    }
    super::text::line(&out, 40)
}

/// One factor of a unit.
fn factor(part: &str) -> String {
    if let Some((_, shown)) = PART.iter().find(|(code, _)| *code == part) {
        return (*shown).to_owned();
    }
    if let Some(power) = part
        .strip_prefix("10*")
        .or_else(|| part.strip_prefix("10^"))
    {
        let split = power
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(power.len());
        let (exponent, rest) = power.split_at(split);
        if !exponent.is_empty() {
            return format!(
                "×10{}{}",
                superscript(exponent),
                factor(rest.trim_start_matches('.'))
            );
        }
    }
    if let Some(annotation) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return annotation.replace("1.73_m2", "1.73 m²").replace('_', " ");
    }
    if let Some((before, annotation)) = part.split_once('{') {
        return format!(
            "{} {}",
            factor(before),
            annotation.trim_end_matches('}').replace('_', " ")
        );
    }
    let mut shown = part
        .replace("[iU]", "IU")
        .replace("[IU]", "IU")
        .replace("mm[Hg]", "mmHg")
        .replace("[Hg]", "Hg");
    if let Some(rest) = shown.strip_prefix('u')
        && matches!(
            rest,
            "g" | "L" | "l" | "mol" | "IU" | "m" | "kat" | "U" | "Eq" | "Sv" | "V"
        )
    {
        shown = format!("µ{rest}");
    }
    if let Some(stem) = shown
        .strip_suffix('2')
        .filter(|stem| matches!(*stem, "m" | "cm" | "mm"))
    {
        return format!("{stem}²");
    }
    if let Some(stem) = shown
        .strip_suffix('3')
        .filter(|stem| matches!(*stem, "m" | "cm" | "mm"))
    {
        return format!("{stem}³");
    }
    shown
}

fn superscript(digits: &str) -> String {
    digits
        .chars()
        .map(|digit| match digit {
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            other => other,
        })
        .collect()
}

/// Units that stand alone.
const WHOLE: [(&str, &str); 34] = [
    ("/a", "per year"),
    ("/mo", "per month"),
    ("/wk", "per week"),
    ("/d", "per day"),
    ("1", ""),
    ("{#}", ""),
    ("{count}", ""),
    ("{ratio}", ""),
    ("{index}", ""),
    ("{nominal}", ""),
    ("[pH]", ""),
    ("C", "°C"),
    ("degC", "°C"),
    ("degF", "°F"),
    ("lbs", "lb"),
    ("a", "years"),
    ("mo", "months"),
    ("wk", "weeks"),
    ("d", "days"),
    ("h", "hours"),
    ("{beats}/min", "beats/min"),
    ("{Beats}/min", "beats/min"),
    ("beats/minute", "beats/min"),
    ("{breaths}/min", "breaths/min"),
    ("Cel", "°C"),
    ("[degF]", "°F"),
    ("[lb_av]", "lb"),
    ("[oz_av]", "oz"),
    ("[in_i]", "in"),
    ("[ft_i]", "ft"),
    ("[drp]", "drops"),
    ("[tsp_us]", "tsp"),
    ("[tbs_us]", "tbsp"),
    ("1.0", ""),
];

/// Units that also stand in a fraction.
const PART: [(&str, &str); 9] = [
    ("Cel", "°C"),
    ("[degF]", "°F"),
    ("[lb_av]", "lb"),
    ("[oz_av]", "oz"),
    ("[in_i]", "in"),
    ("[ft_i]", "ft"),
    ("[drp]", "drops"),
    ("[arb'U]", "arb. U"),
    ("[CFU]", "CFU"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_as_people_write_them() {
        for (code, shown) in [
            ("mg/dL", "mg/dL"),
            ("10*3/uL", "×10³/µL"),
            ("10*12/L", "×10¹²/L"),
            ("mm[Hg]", "mmHg"),
            ("Cel", "°C"),
            ("kg/m2", "kg/m²"),
            ("mL/min/{1.73_m2}", "mL/min/1.73 m²"),
            ("mL/min/1.73.m2", "mL/min/1.73.m2"),
            ("m[iU]/L", "mIU/L"),
            ("u[iU]/mL", "µIU/mL"),
            ("ug/L", "µg/L"),
            ("{score}", "score"),
            ("1", ""),
            ("/min", "/min"),
            ("{beats}/min", "beats/min"),
            ("% of normal", "% of normal"),
            ("mg/d", "mg/d"),
        ] {
            assert_eq!(readable(code), shown, "{code}");
        }
    }
}
