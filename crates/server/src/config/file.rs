//! `config/<env>.yml`: the same settings in lower case, all optional.
//! Unknown names are refused, so that a typing mistake cannot pass for a setting.

use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Environment};

/// Largest configuration file, in bytes.
const MAX_LEN: usize = 256 << 10;

/// A number or a word or a list: people write all three.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Scalar {
    Number(i64),
    Flag(bool),
    Text(String),
    List(Vec<String>),
}

macro_rules! settings {
    ($($field:ident => $name:literal),* $(,)?) => {
        /// The settings that a file may hold.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct FileSettings {
            $(#[serde(default)] $field: Option<Scalar>,)*
        }

        impl FileSettings {
            /// Every setting, as the environment names it.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            fn scalar(&self, name: &str) -> Option<&Scalar> {
                match name {
                    $($name => self.$field.as_ref(),)*
                    _ => None,
                }
            }
        }
    };
}

settings! {
    listen => "LISTEN",
    data_dir => "DATA_DIR",
    services => "SERVICES",
    database_url => "DATABASE_URL",
    db_host => "DB_HOST",
    db_port => "DB_PORT",
    db_name => "DB_NAME",
    db_user => "DB_USER",
    db_password => "DB_PASSWORD",
    jwt_secret => "JWT_SECRET",
    encryption_key => "ENCRYPTION_KEY",
    app_url => "APP_URL",
    resend_api_key => "RESEND_API_KEY",
    resend_api_url => "RESEND_API_URL",
    smtp_url => "SMTP_URL",
    mail_from => "MAIL_FROM",
    healthcare_api_url => "HEALTHCARE_API_URL",
    notification_service_url => "NOTIFICATION_SERVICE_URL",
    redis_url => "REDIS_URL",
    max_json_mb => "MAX_JSON_MB",
    max_file_mb => "MAX_FILE_MB",
    registration => "REGISTRATION",
    caseload_types => "CASELOAD_TYPES",
    connection_allowed_hosts => "CONNECTION_ALLOWED_HOSTS",
    connection_timeout_secs => "CONNECTION_TIMEOUT_SECS",
    connection_retry_secs => "CONNECTION_RETRY_SECS",
    trusted_proxies => "TRUSTED_PROXIES",
    log_format => "LOG_FORMAT",
    log_level => "LOG_LEVEL",
}

impl FileSettings {
    /// Reads `<dir>/<env>.yml`; no file is no settings.
    pub fn read(dir: &Path, environment: Environment) -> Result<Self, ConfigError> {
        let path = dir.join(format!("{}.yml", environment.as_str()));
        let error = |reason: String| ConfigError::File {
            path: path.clone(),
            reason,
        };
        match std::fs::read_to_string(&path) {
            Ok(text) if text.len() > MAX_LEN => Err(error("is too large".to_owned())),
            Ok(text) => Self::parse(&text).map_err(error),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(error(cause.kind().to_string())),
        }
    }

    /// Reads the text of a file. The error names line and setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        let has_content = text
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        if !has_content {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|cause| {
            // The library's message quotes the text around the mistake, which
            // may be a secret: only its place is repeated.
            let place = cause.location().map_or_else(String::new, |place| {
                format!(" at line {}, column {}", place.line(), place.column())
            });
            format!("is not a list of known settings{place}")
        })
    }

    /// A setting as text; a list as its parts with commas between.
    pub fn get(&self, name: &str) -> Option<String> {
        self.scalar(name)
            .map(|value| match value {
                Scalar::Number(number) => number.to_string(),
                Scalar::Flag(flag) => flag.to_string(),
                Scalar::Text(text) => text.trim().to_owned(),
                Scalar::List(parts) => parts.join(","),
            })
            .filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_words_and_lists_are_settings() {
        let file = FileSettings::parse(
            "max_json_mb: 8\napp_url: https://a.example\ncaseload_types: [Dietician, Nurse]\n",
        )
        .unwrap();
        assert_eq!(file.get("MAX_JSON_MB").as_deref(), Some("8"));
        assert_eq!(file.get("APP_URL").as_deref(), Some("https://a.example"));
        assert_eq!(
            file.get("CASELOAD_TYPES").as_deref(),
            Some("Dietician,Nurse")
        );
        assert_eq!(file.get("JWT_SECRET"), None);
    }

    #[test]
    fn a_mistyped_name_is_refused_without_quoting_it() {
        let error = FileSettings::parse("max_json_mb: 8\nencryption_kay: marker\n").unwrap_err();
        assert!(!error.contains("marker"), "{error}");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_file_of_comments_sets_nothing() {
        assert_eq!(
            FileSettings::parse("# nothing\n\n").unwrap().get("APP_URL"),
            None
        );
    }

    #[test]
    fn the_samples_parse() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
        for environment in [
            Environment::Development,
            Environment::Staging,
            Environment::Production,
        ] {
            assert!(root.join(format!("{}.yml", environment.as_str())).exists());
            let file = FileSettings::read(&root, environment).unwrap();
            assert_eq!(
                file.get("ENCRYPTION_KEY"),
                None,
                "no secret belongs into a sample"
            );
        }
    }
}
