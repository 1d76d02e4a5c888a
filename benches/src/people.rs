//! People who register, prove their address, and sign in.

use serde_json::{Value, json};

use crate::{Call, Server, until};

/// What everybody here types; nobody else has it.
pub const PASSWORD: &str = "four-unlikely-words-meet-7331";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account.
    pub account: String,
    /// The patient that came with it; empty for others.
    pub patient: String,
    /// The address.
    pub email: String,
    /// Shown at registration.
    pub recovery_code: String,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Server {
    /// A patient who registered, proved the address, and signed in.
    #[track_caller]
    pub fn patient(&self, name: &str) -> Person {
        let mut person = self.register("/api/patients/register", name, json!({}));
        self.verify_email(&person.email);
        self.sign_in(&mut person);
        person
    }

    /// A patient whose address nobody proved.
    #[track_caller]
    pub fn unverified_patient(&self, name: &str) -> Person {
        let mut person = self.register("/api/patients/register", name, json!({}));
        self.sign_in(&mut person);
        person
    }

    /// A provider whom an administrator approved.
    #[track_caller]
    pub fn provider(&self, name: &str, admin: &Person) -> Person {
        let person = self.unapproved_provider(name);
        self.approve(&person, admin);
        person
    }

    /// A provider who waits.
    #[track_caller]
    pub fn unapproved_provider(&self, name: &str) -> Person {
        let more = json!({"type": "Dietician", "license_number": "4711", "license_country": "DE"});
        let mut person = self.register("/api/providers/register", name, more);
        self.verify_email(&person.email);
        self.sign_in(&mut person);
        person
    }

    /// An administrator approves a provider.
    #[track_caller]
    pub fn approve(&self, provider: &Person, admin: &Person) {
        let path = format!("/api/admin/providers/{}/verification", provider.account);
        let decision = json!({"decision": "approve"});
        let _ = self
            .send(&Call::post(path).by(admin).json(&decision))
            .expect(200);
    }

    /// An administrator, made on the command line.
    #[track_caller]
    pub fn admin(&self) -> Person {
        let email = "admin@chartkey.test";
        let made = self.run(&["admin", "create", "--email", email, "--password", PASSWORD]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let code = made
            .stdout
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        let mut person = Person {
            account: String::new(),
            patient: String::new(),
            email: email.to_owned(),
            recovery_code: code,
            access: String::new(),
            refresh: String::new(),
        };
        self.sign_in(&mut person);
        person
    }

    #[track_caller]
    fn register(&self, path: &str, name: &str, more: Value) -> Person {
        let email = format!("{}@chartkey.test", name.to_lowercase().replace(' ', "."));
        let mut body = json!({"email": email, "password": PASSWORD, "name": name});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let made = self.send(&Call::post(path).json(&body)).expect(201).json();
        let text = |field: &str| text(&made, field);
        Person {
            account: text("account_id"),
            patient: text("patient_id"),
            recovery_code: text("recovery_code"),
            email,
            access: String::new(),
            refresh: String::new(),
        }
    }

    /// Follows the link of the newest verification mail.
    #[track_caller]
    pub fn verify_email(&self, email: &str) {
        let token = until("the verification mail", || {
            let mails = self.mails();
            let mail = mails.iter().find(|mail| {
                text(mail, "to").contains(email)
                    && text(mail, "text").contains("/verify-email#token=")
            })?;
            let words = text(mail, "text");
            let (_, after) = words.split_once("/verify-email#token=")?;
            after.split_whitespace().next().map(str::to_owned)
        });
        let call = Call::post("/api/auth/verify-email").json(&json!({"token": token}));
        let _ = self.send(&call).expect(204);
    }

    /// Signs in, and keeps the tokens.
    #[track_caller]
    pub fn sign_in(&self, person: &mut Person) {
        let body = json!({"email": person.email, "password": PASSWORD});
        let done = self
            .send(&Call::post("/api/auth/login").json(&body))
            .expect(200)
            .json();
        person.access = text(&done, "access_token");
        person.refresh = text(&done, "refresh_token");
        if let Some(account) = done.get("account") {
            person.account = text(account, "id");
        }
    }

    /// The outbox, newest first.
    #[track_caller]
    pub fn mails(&self) -> Vec<Value> {
        let list = self.send(&Call::get("/dev/mail.json")).expect(200).json();
        list.as_array().cloned().unwrap_or_default()
    }
}

fn text(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
