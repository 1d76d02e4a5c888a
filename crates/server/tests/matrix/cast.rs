//! Who asks, and what about: one patient with a lab result, a file, grants of
//! every sort, a link, and a session more.

use chartkey_benches::{Call, Person, Server, until};
use serde_json::{Value, json};

use crate::text;

/// Stands in the lab result that only its owner may read.
pub const MARKER: &str = "Zebra marker 8471";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Without a token.
    Nobody,
    /// With a token that nobody gave out.
    BadToken,
    /// Another patient.
    Stranger,
    /// A verified provider who was given nothing.
    OtherProvider,
    /// A provider whose grant has expired.
    Expired,
    /// A provider whose grant was revoked.
    Revoked,
    /// A provider who may read vaccines.
    OtherType,
    /// An administrator.
    Admin,
    /// The patient.
    Owner,
}

impl Who {
    /// Everybody; the owner last, so that what only they can end is still there
    /// for the others to try.
    pub const ALL: [Self; 9] = [
        Self::Nobody,
        Self::BadToken,
        Self::Stranger,
        Self::OtherProvider,
        Self::Expired,
        Self::Revoked,
        Self::OtherType,
        Self::Admin,
        Self::Owner,
    ];

    /// As the table says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::BadToken => "bad token",
            Self::Stranger => "stranger",
            Self::OtherProvider => "other provider",
            Self::Expired => "expired grant",
            Self::Revoked => "revoked grant",
            Self::OtherType => "grantee of another type",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// Everything that is asked about.
pub struct World {
    pub server: Server,
    people: Vec<(Who, Person)>,
    /// The owner's lab result.
    pub lab: String,
    /// A large file of the owner's, and the blob that it lies in.
    pub file: String,
    pub blob: String,
    /// The link, and its key.
    pub share: String,
    pub token: String,
    pub key: String,
    /// The living grant.
    pub grant: String,
    /// A provider whom nobody has looked at.
    pub pending: String,
    /// A session of the owner's that nobody uses.
    pub spare: String,
    count: u32,
}

/// A lab result.
pub fn lab(id: &str) -> String {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"text": MARKER}, "valueString": MARKER,
    })
    .to_string()
}

/// Days from now, as a date; or seconds, as a time.
fn ahead(what: &str) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", what, "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl World {
    /// Everything, made over HTTP.
    pub fn new(server: Server) -> Self {
        let admin = server.admin();
        let owner = server.patient("The Owner");
        let stranger = server.patient("A Stranger");
        let provider = |name| server.provider(name, &admin);
        let (other, expired) = (provider("Other Provider"), provider("Expired Grant"));
        let (revoked, typed) = (provider("Revoked Grant"), provider("Another Type"));
        let pending = server.unapproved_provider("Pending Provider").account;
        let made = server
            .send(&Call::post("/api/records").by(&owner).fhir(lab("lab-1")))
            .expect(201);
        let lab = text(&made.json(), "id");
        let form = Call::post("/api/records").by(&owner);
        let file = form.form(
            &[("record_type", "imaging")],
            "scan.bin",
            "application/octet-stream",
            &vec![7; 9 << 20],
        );
        let file = text(&server.send(&file).expect(201).json(), "id");
        let sealed = Call::get(format!("/api/records/{file}"))
            .by(&owner)
            .header("Accept", rows_media());
        let page = server.send(&sealed).expect(200).json();
        let blob = text(&page["items"][0], "blob");
        assert!(!blob.is_empty(), "so large a file is a blob");
        let mut world = Self {
            server,
            people: vec![
                (Who::Stranger, stranger),
                (Who::OtherProvider, other),
                (Who::Expired, expired),
                (Who::Revoked, revoked),
                (Who::OtherType, typed),
                (Who::Admin, admin),
                (Who::Owner, owner),
            ],
            lab,
            file,
            blob,
            share: String::new(),
            token: String::new(),
            key: String::new(),
            grant: String::new(),
            pending,
            spare: String::new(),
            count: 0,
        };
        world.spare = world.fresh_session(Who::Owner).0;
        world.share_it();
        world
    }

    fn share_it(&mut self) {
        let revoked = self.make_grant(Who::Revoked, &["lab-results"], &ahead("+30 days"));
        let call = Call::put(format!("/api/sharing/{revoked}/revoke")).by(self.person(Who::Owner));
        let _ = self.server.send(&call).expect(200);
        self.grant = self.make_grant(Who::OtherType, &["vaccines"], &ahead("+30 days"));
        self.make_grant(Who::Expired, &["lab-results"], &ahead("+3 seconds"));
        let made = self.make_share();
        self.share = text(&made["share"], "id");
        self.token = text(&made["share"], "accessToken");
        self.key = text(&made, "url").rsplit('#').next().unwrap().to_owned();
        let read = Call::get(format!("/api/records/{}", self.lab)).by(self.person(Who::Expired));
        until("the grant's expiry", || {
            (self.server.send(&read).status == 403).then_some(())
        });
    }

    /// A link to the lab results.
    pub fn make_share(&self) -> Value {
        let body = json!({"recordTypes": ["lab-results"], "expiresInDays": 3, "allowDownload": true, "sendEmail": "none"});
        let call = Call::post("/api/records/share")
            .by(self.person(Who::Owner))
            .json(&body);
        self.server.send(&call).expect(201).json()
    }

    /// A grant to somebody.
    pub fn make_grant(&self, who: Who, types: &[&str], until: &str) -> String {
        let body = self.grant_body(who, types, until);
        let call = Call::post("/api/sharing/grant")
            .by(self.person(Who::Owner))
            .json(&body);
        text(&self.server.send(&call).expect(201).json(), "id")
    }

    /// What a grant to somebody says.
    pub fn grant_body(&self, who: Who, types: &[&str], until: &str) -> Value {
        json!({"patient_id": self.patient(), "provider_id": self.person(who).account,
            "record_types": types, "expiry_date": until, "purpose": "routine_checkup"})
    }

    /// A grant that is there to be revoked.
    pub fn fresh_grant(&self) -> String {
        self.make_grant(Who::OtherProvider, &["vaccines"], &ahead("+3 days"))
    }

    /// A link that is there to be changed or revoked.
    pub fn fresh_share(&self) -> String {
        text(&self.make_share()["share"], "id")
    }

    /// A lab result that is there to be changed or deleted.
    pub fn fresh_lab(&mut self) -> String {
        let lab = lab(&format!("fresh-{}", self.next()));
        let call = Call::post("/api/records")
            .by(self.person(Who::Owner))
            .fhir(lab);
        text(&self.server.send(&call).expect(201).json(), "id")
    }

    /// A request for access that is there to be answered.
    pub fn fresh_request(&self) -> String {
        let list = Call::get("/api/sharing/requests").by(self.person(Who::Owner));
        let asker = self.person(Who::OtherProvider).account.as_str();
        let open = |list: Value| {
            let items = list["items"].as_array().cloned().unwrap_or_default();
            items
                .iter()
                .find(|item| item["status"] == "pending" && item["provider_id"] == asker)
                .map(|item| text(item, "id"))
        };
        if let Some(id) = open(self.server.send(&list).expect(200).json()) {
            return id;
        }
        let body = json!({"patient_id": self.patient(), "record_types": ["vaccines"], "purpose": "routine_checkup"});
        let call = Call::post("/api/sharing/requests")
            .by(self.person(Who::OtherProvider))
            .json(&body);
        text(&self.server.send(&call).expect(201).json(), "id")
    }

    /// A session more of somebody's, to be ended: its id and token.
    pub fn fresh_session(&self, who: Who) -> (String, String) {
        let mut person = self.person(who).clone();
        self.server.sign_in(&mut person);
        let session = self
            .server
            .send(&Call::get("/api/auth/session").by(&person))
            .expect(200)
            .json();
        (text(&session, "id"), person.access)
    }

    /// Somebody.
    pub fn person(&self, who: Who) -> &Person {
        let found = self.people.iter().find(|(known, _)| *known == who);
        &found.expect("somebody who can sign in").1
    }

    /// Whether somebody can sign in.
    pub fn has(&self, who: Who) -> bool {
        self.people.iter().any(|(known, _)| *known == who)
    }

    /// The owner's patient.
    pub fn account(&self) -> &str {
        &self.person(Who::Owner).account
    }

    /// The owner's record.
    pub fn patient(&self) -> &str {
        &self.person(Who::Owner).patient
    }

    /// Another number each time.
    pub fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    /// An id that is not there yet.
    pub fn fresh_id(&mut self) -> String {
        format!("019a0000-0000-7000-8000-{:012}", self.next())
    }

    /// The call, as somebody; unless it brings a token of its own.
    pub fn signed(&self, call: Call, who: Who) -> Call {
        match who {
            _ if call.has_token() => call,
            Who::Nobody => call,
            Who::BadToken => call.token("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"),
            who => call.by(self.person(who)),
        }
    }
}

/// The media type of the sealed protocol.
pub const fn rows_media() -> &'static str {
    "application/vnd.chartkey.sealed+json"
}
