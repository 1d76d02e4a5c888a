//! What can be done to a record, an account or a grant, in the trail's words.

macro_rules! trail_actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What was done. The word also names the transaction, the span and, where
        /// there is one, the error of the same matter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum TrailAction {
            $($(#[$doc])* $name,)+
        }

        impl TrailAction {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The dotted word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// The action of that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

trail_actions! {
    /// An account was made.
    AccountRegister = "account.register",
    /// Its address was verified.
    AccountVerify = "account.verify",
    /// Its name or contact details changed.
    AccountUpdate = "account.update",
    /// It never verified its address, and is gone.
    AccountExpire = "account.expire",
    /// An admin switched it off, or on again (`detail.decision`).
    AccountDisable = "account.disable",
    /// Its owner ended it.
    AccountDelete = "account.delete",
    /// A provider was approved, rejected or suspended (`detail.decision`).
    ProviderVerify = "provider.verify",

    /// Somebody signed in.
    SessionCreate = "session.create",
    /// Somebody did not manage to; counted by the minute.
    SessionRefuse = "session.refuse",
    /// A session was ended.
    SessionEnd = "session.end",
    /// A refresh token came a second time: its sessions were ended.
    SessionReuse = "session.reuse",
    /// The password changed.
    PasswordChange = "password.change",
    /// A recovery code was used.
    RecoveryUse = "recovery.use",
    /// There is a new recovery code.
    RecoveryChange = "recovery.change",
    /// An account has new keys.
    KeysChange = "keys.change",

    /// A patient's preferences changed: assisted access (`detail`).
    PatientUpdate = "patient.update",
    /// What opens a patient's record was fetched.
    PatientKeys = "patient.keys",

    /// Records came in.
    RecordCreate = "record.create",
    /// A record was read.
    RecordRead = "record.read",
    /// Records were listed.
    RecordList = "record.list",
    /// A record has a new version.
    RecordUpdate = "record.update",
    /// A record was deleted.
    RecordDelete = "record.delete",
    /// A record was moved to another compartment.
    RecordMove = "record.move",
    /// Directly sealed batches were taken over.
    RecordAdopt = "record.adopt",
    /// Its author took a record back: it is the patient's alone.
    RecordWithdraw = "record.withdraw",
    /// Records were taken along.
    RecordExport = "record.export",
    /// A file was taken along.
    RecordDownload = "record.download",
    /// A file was converted in memory, and not kept.
    RecordConvert = "record.convert",

    /// A link was made.
    ShareCreate = "share.create",
    /// A link was opened.
    ShareRead = "share.read",
    /// What a link shows was taken along.
    ShareDownload = "share.download",
    /// A link came with a wrong key or passcode; counted by the minute.
    ShareRefuse = "share.refuse",
    /// A link was lengthened, shortened or renamed.
    ShareUpdate = "share.update",
    /// A link was revoked.
    ShareRevoke = "share.revoke",
    /// A link's time came, or it was used up (`detail.why`).
    ShareExpire = "share.expire",
    /// A link's URL was shown again.
    ShareLink = "share.link",
    /// A link's files for other viewers were made.
    ShareFiles = "share.files",
    /// Somebody asked for a new link.
    ShareAsk = "share.ask",

    /// A grant was made.
    GrantCreate = "grant.create",
    /// A grant was revoked.
    GrantRevoke = "grant.revoke",
    /// A grant was lengthened or shortened.
    GrantChange = "grant.change",
    /// A grant's time came.
    GrantExpire = "grant.expire",
    /// A provider asked for access.
    RequestCreate = "request.create",
    /// The patient answered (`detail.decision`).
    RequestAnswer = "request.answer",

    /// Compartments have new epochs.
    EpochBegin = "epoch.begin",
    /// A patient's seed has a new generation.
    GenerationBegin = "generation.begin",

    /// A source or destination was set up.
    ConnectionCreate = "connection.create",
    /// It leads elsewhere, or proves itself otherwise.
    ConnectionUpdate = "connection.update",
    /// It is gone.
    ConnectionDelete = "connection.delete",
    /// A patient was put on a connection.
    ConnectionAttach = "connection.attach",
    /// A patient signed in at a source: it is read with what they allowed.
    ConnectionAuthorize = "connection.authorize",
    /// The directory of providers was replaced.
    DirectoryReplace = "directory.replace",
    /// A patient was taken off a connection.
    ConnectionDetach = "connection.detach",
    /// A version left for a destination.
    RecordPush = "record.push",
    /// Somebody filed a version in a platform by hand.
    RecordFile = "record.file",
    /// A practitioner opened a chart.
    ChartCreate = "chart.create",
    /// What a practice keeps of a chart changed.
    ChartUpdate = "chart.update",
    /// An unclaimed chart was destroyed, or its time came (`detail.why`).
    ChartDelete = "chart.delete",
    /// A chart's patient was invited, or a sheet was made (`detail.by`).
    ChartInvite = "chart.invite",
    /// Somebody claims a chart.
    ClaimCreate = "claim.create",
    /// The practitioner answered (`detail.decision`).
    ClaimAnswer = "claim.answer",
    /// The patient took the chart over.
    ClaimComplete = "claim.complete",
    /// A practitioner asked a provider for documents (`detail.request`).
    DocumentRequest = "document.request",
    /// Somebody opened the link of such a request (`detail.request`).
    DocumentOpen = "document.open",
    /// Somebody sent a document by it (`detail.request`).
    DocumentReceive = "document.receive",
    /// It was closed, called off, or its time came (`detail.why`).
    DocumentClose = "document.close",
    /// A document was passed on to another practitioner.
    DocumentShare = "document.share",
    /// Somebody was invited to an account.
    UserInvite = "user.invite",
    /// What a practice keeps of somebody changed.
    UserUpdate = "user.update",

    /// An admin had given-up jobs of a kind tried again (`count`).
    JobRetry = "job.retry",
    /// A new trail began.
    TrailBegin = "trail.begin",
}
