//! Every operation there is, by the name it has in code, in `openapi.json` and
//! in the TypeScript client.

/// Which body of work an operation belongs to; the matrix has a table for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Whoever asks.
    Public,
    /// One's own account and sign-ins.
    Account,
    /// A patient's records.
    Records,
    /// Keys, epochs, generations.
    Keys,
    /// Grants and requests for them.
    Sharing,
    /// Links, by their owner.
    Shares,
    /// Links, by whoever has one.
    Links,
    /// The trail.
    Audit,
    /// Sources, destinations, and what passes between them.
    Sync,
    /// Administration.
    Admin,
    /// Practices: users, charts, claims.
    Practice,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 11] = [
        Self::Public,
        Self::Account,
        Self::Records,
        Self::Keys,
        Self::Sharing,
        Self::Shares,
        Self::Links,
        Self::Audit,
        Self::Sync,
        Self::Admin,
        Self::Practice,
    ];
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $id:literal in $group:ident,)+) => {
        /// An operation of the API. Each is written once here, once in `rules`,
        /// and denied where `rules` does not name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name,)+
        }

        impl Action {
            /// Every operation, in the order of API.md.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The operation id, `<verb>_<noun>`.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }

            /// Which body of work it belongs to.
            pub const fn group(self) -> Group {
                match self {
                    $(Self::$name => Group::$group,)+
                }
            }
        }
    };
}

actions! {
    /// `GET /healthz`.
    Healthz = "healthz" in Public,
    /// `GET /readyz`.
    Readyz = "readyz" in Public,
    /// `GET /metrics`.
    Metrics = "metrics" in Public,
    /// `GET /api/openapi.json`.
    FindOpenapi = "find_openapi" in Public,
    /// `GET /.well-known/jwks.json`.
    FindJwks = "find_jwks" in Public,
    /// `GET /dev/mail.json`; the route exists in development only.
    ListDevMail = "list_dev_mail" in Public,
    /// `POST /api/patients/register`.
    CreatePatient = "create_patient" in Public,
    /// `POST /api/providers/register`.
    CreateProvider = "create_provider" in Public,
    /// `POST /api/auth/verify-email`.
    VerifyEmail = "verify_email" in Public,
    /// `POST /api/auth/prelogin`.
    FindKdf = "find_kdf" in Public,
    /// `POST /api/auth/login`.
    CreateSession = "create_session" in Public,
    /// `POST /api/auth/refresh`: the refresh token says who.
    RefreshSession = "refresh_session" in Public,
    /// `POST /api/auth/recover`: the recovery code says who.
    RecoverAccount = "recover_account" in Public,
    /// `GET /api/audit/checkpoint`.
    FindCheckpoint = "find_checkpoint" in Public,
    /// `GET /api/audit/checkpoint/key`.
    FindCheckpointKey = "find_checkpoint_key" in Public,
    /// `GET /api/audit/consistency`.
    FindConsistency = "find_consistency" in Public,
    /// `GET /api/v1/document-requests/by-token/{token}`: the link says which.
    OpenDocumentRequest = "open_document_request" in Public,
    /// `POST /api/v1/document-requests/by-token/{token}/documents`.
    AnswerDocumentRequest = "answer_document_request" in Public,
    /// `GET /api/v1/connections/callback`: the state says who.
    FinishLaunch = "finish_launch" in Public,
    /// `POST /api/v1/webhooks/{connection}/{secret}`: whoever has the address.
    NoteWebhook = "note_webhook" in Public,

    /// `GET /api/auth/session`.
    FindSession = "find_session" in Account,
    /// `GET /api/auth/sessions`.
    ListSessions = "list_sessions" in Account,
    /// `POST /api/auth/logout`, `DELETE /api/auth/sessions/{id}`.
    DeleteSession = "delete_session" in Account,
    /// A new mail to verify the address by.
    ResendVerification = "resend_verification" in Account,
    /// `POST /api/auth/password`; the old password comes with it.
    UpdatePassword = "update_password" in Account,
    /// A new recovery code in place of the old one.
    CreateRecoveryCode = "create_recovery_code" in Account,
    /// `POST /api/auth/rekey`.
    RekeyAccount = "rekey_account" in Account,
    /// `GET /api/patients/profile`.
    FindProfile = "find_profile" in Account,
    /// `PUT /api/patients/profile`.
    UpdateProfile = "update_profile" in Account,
    /// `DELETE /api/patients/profile`.
    DeleteAccount = "delete_account" in Account,
    /// `GET /api/events`.
    ListEvents = "list_events" in Account,
    /// `GET /api/keys/{principal}`.
    FindAccountKeys = "find_account_keys" in Account,
    /// `GET /api/providers`.
    ListProviders = "list_providers" in Account,
    /// `POST /api/records/convert`.
    ConvertRecord = "convert_record" in Account,
    /// `GET /api/analytics`.
    FindAnalytics = "find_analytics" in Account,

    /// `POST /api/records`.
    CreateRecord = "create_record" in Records,
    /// `GET /api/records`.
    ListRecords = "list_records" in Records,
    /// `GET /api/records/summary`.
    FindRecordSummary = "find_record_summary" in Records,
    /// `GET /api/records/export`.
    ExportRecords = "export_records" in Records,
    /// `GET /api/records/{id}`.
    FindRecord = "find_record" in Records,
    /// `GET /api/records/{id}/history`.
    ListRecordHistory = "list_record_history" in Records,
    /// `GET /api/records/{id}/content`: the raw file, to keep.
    FindRecordContent = "find_record_content" in Records,
    /// `PUT /api/records/{id}`.
    UpdateRecord = "update_record" in Records,
    /// `DELETE /api/records/{id}`.
    DeleteRecord = "delete_record" in Records,
    /// `DELETE /api/v1/documents/{id}` by its source: kept, and shown to the
    /// patient alone.
    WithdrawRecord = "withdraw_record" in Records,
    /// `POST /api/records/{id}/move`.
    MoveRecord = "move_record" in Records,
    /// `POST /api/records/known`.
    FindKnownTags = "find_known_tags" in Records,
    /// The beginning of `PUT /api/blobs/{id}`.
    CreateBlob = "create_blob" in Records,
    /// The next chunk of `PUT /api/blobs/{id}`.
    AppendBlob = "append_blob" in Records,
    /// `GET /api/blobs/{id}`: the sealed body of a record that may be read.
    FindBlob = "find_blob" in Records,

    /// `GET /api/patients/{id}/keys`.
    FindPatientKeys = "find_patient_keys" in Keys,
    /// `GET /api/patients/{id}/adopt`.
    ListUnadoptedBatches = "list_unadopted_batches" in Keys,
    /// `POST /api/patients/{id}/adopt`.
    AdoptBatches = "adopt_batches" in Keys,
    /// `POST /api/patients/{id}/epochs`.
    BeginEpochs = "begin_epochs" in Keys,
    /// `POST /api/patients/{id}/generations`.
    BeginGeneration = "begin_generation" in Keys,

    /// `POST /api/sharing/grant`.
    CreateGrant = "create_grant" in Sharing,
    /// `PUT /api/sharing/{id}/revoke`.
    RevokeGrant = "revoke_grant" in Sharing,
    /// `GET /api/sharing/permissions`: those of a patient, or those one holds.
    ListPermissions = "list_permissions" in Sharing,
    /// `POST /api/sharing/requests`.
    CreateRequest = "create_request" in Sharing,
    /// `GET /api/sharing/requests`: those to a patient, or one's own.
    ListRequests = "list_requests" in Sharing,
    /// `PUT /api/sharing/requests/{id}`.
    AnswerRequest = "answer_request" in Sharing,

    /// `POST /api/records/share`.
    CreateShare = "create_share" in Shares,
    /// `GET /api/records/share`.
    ListShares = "list_shares" in Shares,
    /// `GET /api/records/share/{id}/link`.
    FindShareLink = "find_share_link" in Shares,
    /// `PATCH /api/records/share/{id}`.
    UpdateShare = "update_share" in Shares,
    /// `DELETE /api/records/share/{id}`.
    RevokeShare = "revoke_share" in Shares,
    /// The files that other SMART Health Links viewers fetch, made anew.
    PutShareFiles = "put_share_files" in Shares,

    /// `GET /api/records/shared/{token}` without key or proof: does it live?
    FindShareStatus = "find_share_status" in Links,
    /// `GET /api/records/shared/{token}` with a key, a proof or a view.
    OpenShare = "open_share" in Links,
    /// `POST /api/records/shared/{token}`.
    DownloadShare = "download_share" in Links,
    /// `POST /api/records/shared/{token}/ask`.
    AskShare = "ask_share" in Links,
    /// `POST /shl/{token}`.
    OpenShlManifest = "open_shl_manifest" in Links,
    /// `GET /shl/{token}`, and the files that a manifest names.
    OpenShlFile = "open_shl_file" in Links,

    /// `GET /api/audit`: of a patient, or one's own doings.
    ListAudit = "list_audit" in Audit,
    /// `GET /api/audit/disclosures`.
    ListDisclosures = "list_disclosures" in Audit,
    /// `GET /api/audit/{id}/proof`.
    FindAuditProof = "find_audit_proof" in Audit,

    /// `POST /api/v1/connections`.
    CreateConnection = "create_connection" in Sync,
    /// `GET /api/v1/connections`.
    ListConnections = "list_connections" in Sync,
    /// `GET /api/v1/connections/{id}`: all of it but its credentials.
    FindConnection = "find_connection" in Sync,
    /// `PUT /api/v1/connections/{id}`.
    UpdateConnection = "update_connection" in Sync,
    /// `DELETE /api/v1/connections/{id}`.
    DeleteConnection = "delete_connection" in Sync,
    /// `POST /api/v1/connections/{id}/verify`.
    VerifyConnection = "verify_connection" in Sync,
    /// `POST /api/v1/connections/{id}/launch`: a patient signs in at their provider.
    LaunchConnection = "launch_connection" in Sync,
    /// `GET /api/v1/directory/endpoints`: where providers are.
    ListDirectoryEndpoints = "list_directory_endpoints" in Sync,
    /// `POST /api/v1/connections/{id}/patients`, of a source.
    AttachSource = "attach_source" in Sync,
    /// `POST /api/v1/connections/{id}/patients`, of a destination.
    AttachDestination = "attach_destination" in Sync,
    /// `DELETE /api/v1/connections/{id}/patients/{patient}`.
    DetachPatient = "detach_patient" in Sync,
    /// What a patient is connected to: names and states.
    ListPatientConnections = "list_patient_connections" in Sync,
    /// `POST /api/v1/patients/{id}/sync`.
    StartSync = "start_sync" in Sync,
    /// How a synchronization stands.
    FindSync = "find_sync" in Sync,
    /// `GET /api/v1/patients/{id}/logs`, `GET /api/v1/logs/{id}`.
    ListLogs = "list_logs" in Sync,
    /// Versions whose keys wait to be sealed to destinations.
    ListOwed = "list_owed" in Sync,
    /// Their keys, sealed.
    SealOwed = "seal_owed" in Sync,
    /// Hand-offs to do, and deliveries that were given up.
    ListDeliveries = "list_deliveries" in Sync,
    /// A hand-off is done; a delivery is tried again, or let be.
    UpdateDelivery = "update_delivery" in Sync,

    /// `GET /api/admin/providers`.
    ListAdminProviders = "list_admin_providers" in Admin,
    /// `POST /api/admin/providers/{id}/verification`.
    VerifyProvider = "verify_provider" in Admin,
    /// `GET /api/admin/accounts`.
    ListAdminAccounts = "list_admin_accounts" in Admin,
    /// `POST /api/admin/accounts/{id}/disable`.
    DisableAccount = "disable_account" in Admin,
    /// `GET /api/admin/health`.
    FindSystemHealth = "find_system_health" in Admin,
    /// `GET /api/admin/checkpoints`.
    ListCheckpoints = "list_checkpoints" in Admin,
    /// `POST /api/admin/jobs/retry`: work that was given up, once more.
    RetryJobs = "retry_jobs" in Admin,
    /// `PUT /api/v1/directory`.
    ReplaceDirectory = "replace_directory" in Admin,
    /// `GET /api/admin/analytics`: totals with nothing medical in them.
    FindTotals = "find_totals" in Admin,

    /// `GET /api/v1/users`.
    ListUsers = "list_users" in Practice,
    /// `GET /api/v1/users/{id}`.
    FindUser = "find_user" in Practice,
    /// `POST /api/v1/users`: invites somebody.
    CreateUser = "create_user" in Practice,
    /// `PUT /api/v1/users/{id}`.
    UpdateUser = "update_user" in Practice,
    /// `DELETE /api/v1/users/{id}`: ends the sign-in.
    DeleteUser = "delete_user" in Practice,
    /// `GET /api/v1/patients`: a practitioner's caseload.
    ListCharts = "list_charts" in Practice,
    /// `GET /api/v1/patients/{id}`.
    FindChart = "find_chart" in Practice,
    /// `POST /api/v1/patients`.
    CreateChart = "create_chart" in Practice,
    /// `PUT /api/v1/patients/{id}`.
    UpdateChart = "update_chart" in Practice,
    /// `DELETE /api/v1/patients/{id}`.
    DeleteChart = "delete_chart" in Practice,
    /// `POST /api/v1/patients/import`: a caseload at once.
    ImportCharts = "import_charts" in Practice,
    /// `POST /api/v1/patients/{id}/invitation`: the mail, once more.
    CreateInvitation = "create_invitation" in Practice,
    /// `POST /api/v1/patients/{id}/claim-sheet`: a sheet to hand over.
    CreateClaimSheet = "create_claim_sheet" in Practice,
    /// `GET /api/v1/claims`: on charts one opened, and one's own.
    ListClaims = "list_claims" in Practice,
    /// `POST /api/v1/claims`: the invitation says which chart.
    CreateClaim = "create_claim" in Practice,
    /// `PUT /api/v1/claims/{id}`: the practitioner's answer.
    AnswerClaim = "answer_claim" in Practice,
    /// `POST /api/v1/claims/{id}/complete`: the claimant takes the chart over.
    CompleteClaim = "complete_claim" in Practice,
    /// `POST /api/v1/patients/{id}/request-documents`.
    CreateDocumentRequest = "create_document_request" in Practice,
    /// `GET /api/v1/patients/{id}/document-requests`, and those one made.
    ListDocumentRequests = "list_document_requests" in Practice,
    /// `PUT /api/v1/document-requests/{id}`: closed, or called off.
    UpdateDocumentRequest = "update_document_request" in Practice,
    /// `POST /api/v1/documents/{id}/share`.
    ShareDocument = "share_document" in Practice,
    /// `GET /api/v1/patients/{id}/shared-documents`.
    ListSharedDocuments = "list_shared_documents" in Practice,
}

impl Action {
    /// Whether an assisted request unlocks keys of the patient in the server's
    /// memory, or handles a record in the clear there. A patient who switched
    /// assisted access off has forbidden these, whoever asks.
    pub const fn opens(self) -> bool {
        matches!(
            self,
            Self::CreateRecord
                | Self::ListRecords
                | Self::FindRecordSummary
                | Self::ExportRecords
                | Self::FindRecord
                | Self::ListRecordHistory
                | Self::FindRecordContent
                | Self::UpdateRecord
                | Self::MoveRecord
                | Self::FindKnownTags
                | Self::AdoptBatches
                | Self::BeginEpochs
                | Self::BeginGeneration
                | Self::CreateGrant
                | Self::AnswerRequest
                | Self::CreateShare
                | Self::FindShareLink
                | Self::UpdateShare
                | Self::PutShareFiles
                | Self::OpenShare
                | Self::DownloadShare
                | Self::SealOwed
                | Self::CreateClaimSheet
                | Self::AnswerClaim
                | Self::ShareDocument
                | Self::ListSharedDocuments
        )
    }

    /// Whether it needs a sign-in of the last five minutes: what could take the
    /// record away from its owner, or hand it over whole.
    pub const fn needs_step_up(self) -> bool {
        matches!(
            self,
            Self::CreateRecoveryCode
                | Self::RekeyAccount
                | Self::DeleteAccount
                | Self::BeginGeneration
                | Self::FindShareLink
        )
    }

    /// Whether it makes something readable for others, which needs a verified
    /// e-mail address.
    pub const fn shares(self) -> bool {
        matches!(
            self,
            Self::CreateGrant
                | Self::AnswerRequest
                | Self::CreateShare
                | Self::FindShareLink
                | Self::UpdateShare
                | Self::PutShareFiles
                | Self::AttachDestination
                | Self::SealOwed
                | Self::ShareDocument
        )
    }
}
