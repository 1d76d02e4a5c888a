use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn url(path: &str) -> WebUrl {
    WebUrl::new(&format!("https://chartkey.example/{path}")).unwrap()
}

fn notice(url: Option<&WebUrl>) -> ShareNotice<'_> {
    ShareNotice {
        recipient_name: "Dr. Grace Hopper",
        patient_name: "Ada Lovelace",
        type_labels: &["Lab results", "Medications"],
        expires_at: at("2026-03-05T14:30:00Z"),
        message: Some("Dear Grace,\nhere are last week's values.\n\nThank you!\nAda"),
        url,
        needs_passcode: false,
        checkpoint: None,
    }
}

/// Every mail there is, by name.
fn all() -> Vec<(&'static str, MailText)> {
    let link = url("shared/8b1f#k=pY2n_6Zt-0sQ");
    let app = url("app");
    let verify = url("verify-email#token=t0k3n");
    let when = at("2026-03-05T14:30:00Z");
    let checkpoint = "chartkey.example/trail\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— chartkey.example/trail 0Vl9bWVT";
    vec![
        ("share_notice", share_notice(&notice(Some(&link)))),
        (
            "share_notice_without_link",
            share_notice(&ShareNotice {
                needs_passcode: true,
                message: None,
                checkpoint: Some(checkpoint),
                ..notice(None)
            }),
        ),
        ("verify_email", verify_email(&verify, when)),
        ("existing_account", existing_account(&app)),
        (
            "invitation",
            invitation(&AccountInvitation {
                inviter_name: "Green Street Practice",
                url: &app,
                valid_until: when,
                has_chart: false,
            }),
        ),
        (
            "invitation_with_chart",
            invitation(&AccountInvitation {
                inviter_name: "Green Street Practice",
                url: &app,
                valid_until: when,
                has_chart: true,
            }),
        ),
        ("new_sign_in", new_sign_in("Firefox on Linux", when, &app)),
        ("password_changed", password_changed(when, &app)),
        ("recovery_used", recovery_used(when, &app)),
        ("provider_verified", provider_verification(true, &app)),
        ("provider_not_verified", provider_verification(false, &app)),
        ("access_requested", access_requested(&app)),
        ("access_ended", access_ended(when, None)),
        (
            "access_ends_soon_giver",
            access_ends_soon(Audience::Giver, when, Some(&app)),
        ),
        (
            "access_ends_soon_holder",
            access_ends_soon(Audience::Holder, when, None),
        ),
        ("share_opened", share_opened(when, &app)),
        ("new_link_asked", new_link_asked(&app)),
        ("send_again", send_again(&app)),
        (
            "documents_asked",
            documents_asked("Green Street Practice", &app, when),
        ),
        ("documents_came", documents_came(&app)),
    ]
}

#[test]
fn every_mail_reads_well_as_text() {
    for (name, mail) in all() {
        let shown = format!("[{}] {}\n\n{}", mail.kind, mail.subject, mail.text.as_str());
        insta::assert_snapshot!(name, shown);
    }
}

#[test]
fn the_html_of_a_share_notice_is_as_reviewed() {
    let link = url("shared/8b1f#k=pY2n_6Zt-0sQ");
    let mail = share_notice(&notice(Some(&link)));
    insta::assert_snapshot!("share_notice_html", mail.html.replace("><", ">\n<"));
}

/// The text between tags, entities decoded.
fn visible(html: &str) -> String {
    let body = &html[html.find("<body").unwrap()..];
    let mut text = String::new();
    let mut in_tag = false;
    for c in body.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn text_and_html_say_the_same() {
    for (name, mail) in all() {
        let html = words(&visible(&mail.html));
        for word in words(&mail.text) {
            assert!(html.contains(&word), "{name}: {word:?} is in the text only");
        }
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    for (name, mail) in all() {
        for forbidden in ["<img", "<link", "<script", "@import", "url(", "src="] {
            assert!(!mail.html.contains(forbidden), "{name}: {forbidden}");
        }
        assert!(mail.html.len() < 20_000, "{name}: Gmail clips long mails");
    }
}

#[test]
fn what_people_type_is_escaped_everywhere() {
    let link = WebUrl::new("https://chartkey.example/shared/1?a=1&b=2#k=x").unwrap();
    let evil = "<script>alert(1)</script>\"'><a href=\"https://evil.example\">";
    let mail = share_notice(&ShareNotice {
        recipient_name: evil,
        patient_name: evil,
        type_labels: &[evil],
        message: Some(evil),
        checkpoint: Some(evil),
        ..notice(Some(&link))
    });
    let invited = invitation(&AccountInvitation {
        inviter_name: evil,
        url: &link,
        valid_until: Timestamp::UNIX_EPOCH,
        has_chart: true,
    });
    let signed_in = new_sign_in(evil, Timestamp::UNIX_EPOCH, &link);
    for mail in [mail, invited, signed_in] {
        assert!(!mail.html.contains("<script"), "{}", mail.kind);
        assert!(
            !mail.html.contains("<a href=\"https://evil"),
            "{}",
            mail.kind
        );
        assert!(mail.html.contains("&lt;script&gt;"), "{}", mail.kind);
        assert!(mail.html.contains("?a=1&amp;b=2#k=x\""), "{}", mail.kind);
        assert!(mail.text.contains("?a=1&b=2#k=x\n"), "{}", mail.kind);
        assert!(mail.text.contains("<script>"), "{}", mail.kind);
    }
}

#[test]
fn hidden_characters_and_line_breaks_do_not_survive() {
    let evil = "Ada\r\nBcc: x@evil.example\u{202e}\u{2066}\u{200b}\u{0}\u{7}";
    let mail = share_notice(&ShareNotice {
        recipient_name: evil,
        patient_name: evil,
        message: Some("one\r\ntwo\rthree\u{202e}\u{85}\u{0}\u{2028}four"),
        ..notice(None)
    });
    let invited = invitation(&AccountInvitation {
        inviter_name: evil,
        url: &url(""),
        valid_until: Timestamp::UNIX_EPOCH,
        has_chart: true,
    });
    for mail in [mail, invited] {
        assert!(!mail.subject.contains(['\r', '\n']));
        for part in [&mail.subject, &*mail.html, &*mail.text] {
            let hidden = part
                .chars()
                .find(|c| *c != '\n' && chartkey_domain::mail::is_invisible(*c));
            assert_eq!(hidden, None, "{}", mail.kind);
        }
    }
}

#[test]
fn long_input_makes_no_long_mail() {
    let long = "long ".repeat(1_000_000);
    let mail = share_notice(&ShareNotice {
        recipient_name: &long,
        patient_name: &long,
        type_labels: &[long.as_str(); 500],
        message: Some(&long),
        checkpoint: Some(&"\n".repeat(1_000_000)),
        ..notice(None)
    });
    assert!(mail.subject.chars().count() <= 160);
    assert!(mail.html.len() < 40_000, "{}", mail.html.len());
    assert!(mail.text.len() < 20_000, "{}", mail.text.len());
}

#[test]
fn the_other_way_of_writing_stays_in_its_place() {
    let mail = share_notice(&ShareNotice {
        patient_name: "ليلى",
        message: Some("مرحبا"),
        ..notice(None)
    });
    assert!(mail.html.contains("<bdi>ليلى</bdi>"));
    assert!(mail.html.contains("dir=\"auto\""));
}

#[test]
fn empty_names_leave_a_sentence() {
    let mail = share_notice(&ShareNotice {
        recipient_name: "",
        patient_name: " \u{200b} ",
        type_labels: &[],
        message: Some(" \n "),
        ..notice(None)
    });
    assert!(mail.text.contains("Hello,\n"), "{}", mail.text.as_str());
    assert!(mail.text.contains("Somebody has shared"));
    assert!(mail.text.contains("What is shared: Chosen records"));
    assert!(!mail.text.contains("writes"));
}

#[test]
fn only_web_addresses_get_a_button() {
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org",
        "/relative",
        "https://user@example.org/",
        "https://example.org/\nX: y",
        "https://example.org/ x",
        "",
    ] {
        assert!(WebUrl::new(bad).is_none(), "{bad:?}");
    }
    assert!(WebUrl::new("http://127.0.0.1:8080/x#k=1").is_some());
    assert_eq!(format!("{:?}", url("secret")), "WebUrl(..)");
}

/// Contrast of two colours by WCAG 2.2.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |n: usize| {
            let value = f64::from(u8::from_str_radix(&colour[n..n + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn colours_can_be_read_in_light_and_dark() {
    for (text, ground, at_least) in [
        ("#26302e", "#ffffff", 7.0),
        ("#12201e", "#ffffff", 7.0),
        ("#566562", "#ffffff", 4.5),
        ("#566562", "#eef3f2", 4.5),
        ("#26302e", "#f1f6f5", 7.0),
        ("#ffffff", "#0b5d57", 7.0),
        ("#0b5d57", "#ffffff", 4.5),
        ("#dfe7e5", "#18211f", 7.0),
        ("#f3f7f6", "#18211f", 7.0),
        ("#9fb0ac", "#18211f", 4.5),
        ("#9fb0ac", "#0f1514", 4.5),
        ("#dfe7e5", "#1f2b28", 7.0),
        ("#06211e", "#57c7b8", 7.0),
        ("#7fd8cc", "#18211f", 4.5),
    ] {
        let found = contrast(text, ground);
        assert!(found >= at_least, "{text} on {ground}: {found:.1}");
    }
}
