//! What is written by mail about sharing, and what never stands in a row.

use chartkey_domain::shares::{NewShare, SendEmail};
use chartkey_service::assisted::{Assisted, Recipient};
use chartkey_service::letters::ShareWords;
use chartkey_service::shares::{self, visit};
use chartkey_service::world::World;

use crate::support::*;

fn kinds(world: &World) -> Vec<(String, &'static str)> {
    let mails = world.mail.list();
    mails.into_iter().map(|m| (m.to, m.kind)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipient_gets_the_link_and_only_a_notice_where_that_was_wanted() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let recipient = Recipient {
        email: Some("ng@clinic.example".parse_email()),
        said: said(),
    };
    for way in [SendEmail::Link, SendEmail::Notice, SendEmail::None] {
        assisted
            .share(
                std::slice::from_ref(&recipient),
                &terms(&world, &ada),
                way,
                None,
            )
            .await
            .unwrap();
    }
    world.run_jobs().await;
    let mails: Vec<_> = world
        .mail
        .list()
        .into_iter()
        .filter(|m| m.to == "ng@clinic.example")
        .collect();
    assert_eq!(
        mails.iter().map(|m| m.kind).collect::<Vec<_>>(),
        ["share_link", "share_notice"]
    );
    let words: Vec<ShareWords> = mails
        .iter()
        .map(|m| ShareWords::from_json(&m.text[m.text.find("}{").unwrap() + 1..]).unwrap())
        .collect();
    assert!(
        words[0]
            .url
            .as_ref()
            .unwrap()
            .starts_with("https://chart.example/records/shared/")
    );
    assert_eq!(words[1].url, None);
    for one in &words {
        assert_eq!(one.patient_name, "ada");
        assert_eq!(one.types, ["Lab results"]);
        assert_eq!(one.message.as_deref(), Some("Please have a look."));
    }
}

trait ParseEmail {
    fn parse_email(&self) -> chartkey_domain::accounts::Email;
}

impl ParseEmail for str {
    fn parse_email(&self) -> chartkey_domain::accounts::Email {
        chartkey_domain::accounts::Email::parse(self).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_words_are_gone_asks_its_sender() {
    let mut world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    send(&world, &ada, &terms(&world, &ada), said()).await;
    // Nobody sends for a quarter of an hour; the process forgets.
    world.pass(15 * 60);
    world.run_jobs().await;
    world.run_jobs().await;
    let kinds = kinds(&world);
    assert!(
        kinds.contains(&("ada@example.org".into(), "share_needs_sender")),
        "{kinds:?}"
    );
    assert!(
        !kinds.iter().any(|(_, kind)| *kind == "share_link"),
        "{kinds:?}"
    );
    world.leave_unchecked();
}

#[tokio::test(flavor = "multi_thread")]
async fn endings_are_told_to_whoever_was_written_to() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let told = send(&world, &ada, &terms(&world, &ada), said()).await;
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let quiet = Recipient {
        email: Some("quiet@clinic.example".parse_email()),
        said: said(),
    };
    let untold = assisted
        .share(&[quiet], &terms(&world, &ada), SendEmail::None, None)
        .await
        .unwrap();
    for id in [told.share.grant.id, untold[0].share.grant.id] {
        assisted.revoke_share(id).await.unwrap();
    }
    world.run_jobs().await;
    let kinds = kinds(&world);
    assert!(
        kinds.contains(&("ng@clinic.example".into(), "grant_ended")),
        "{kinds:?}"
    );
    assert!(
        !kinds.iter().any(|(to, _)| to == "quiet@clinic.example"),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_warned_once_before_a_long_access_ends() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let long = chartkey_service::assisted::AskedTerms {
        expires_at: world.service.now() + jiff::SignedDuration::from_hours(30 * 24),
        ..terms(&world, &ada)
    };
    send(&world, &ada, &long, said()).await;
    shares::sweep(&world.service).await.unwrap();
    world.run_jobs().await;
    world.pass(28 * 24 * 60 * 60);
    for _ in 0..2 {
        shares::sweep(&world.service).await.unwrap();
        world.run_jobs().await;
    }
    let mut warned: Vec<_> = kinds(&world)
        .into_iter()
        .filter(|(_, k)| *k == "access_ends_soon")
        .collect();
    warned.sort();
    let people: Vec<_> = warned.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(people, ["ada@example.org", "ng@clinic.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn openings_are_told_to_those_who_want_to_hear_of_them() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = send(
        &world,
        &ada,
        &terms(&world, &ada),
        NewShare {
            message: None,
            ..said()
        },
    )
    .await;
    let (token, key) = held(&share);
    let opened = |world: &World| {
        kinds(world)
            .iter()
            .filter(|(_, k)| *k == "share_opened")
            .count()
    };
    chartkey_service::assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    world.run_jobs().await;
    assert_eq!(opened(&world), 0);
    let change = chartkey_service::accounts::ProfileChange {
        preferences: Some(r#"{"mail":{"share_opened":true}}"#.to_owned()),
        ..Default::default()
    };
    chartkey_service::accounts::update_profile(&world.service, &ada.caller, change)
        .await
        .unwrap();
    chartkey_service::assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    world.run_jobs().await;
    assert_eq!(opened(&world), 1);
    visit::ask_share(&world.service, &World::origin(), &token)
        .await
        .unwrap();
    world.run_jobs().await;
    assert!(kinds(&world).contains(&("ada@example.org".into(), "share_asked")));
}
