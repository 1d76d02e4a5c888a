//! Configuration: environment (and `.env`) over `config/<env>.yml` over
//! defaults, checked as a whole before anything starts.
//!
//! Every setting has one name: `MAX_JSON_MB` in the environment is
//! `max_json_mb` in the file. This module reads no environment by itself
//! ([`Sources`] carries it), and must not know what the settings are used for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use url::Url;
use zeroize::Zeroizing;

mod dotenv;
mod file;
mod groups;

pub use file::FileSettings;
pub use groups::{Group, Groups};

/// Where the program runs; decides how strict configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// On somebody's desk: keys are made, mail goes to `/dev/mail`.
    Development,
    /// Like production, with test data.
    Staging,
    /// With patients. Refuses missing and well-known secrets.
    Production,
}

impl Environment {
    /// The word in `CHARTKEY_ENV` and in the name of the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "development" => Some(Self::Development),
            "staging" => Some(Self::Staging),
            "production" => Some(Self::Production),
            _ => None,
        }
    }
}

/// Who may open an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// `chartkey.db` in the data directory.
    Sqlite,
    /// A PostgreSQL URL, password included.
    Postgres(Zeroizing<String>),
}

/// A text that must not be printed: a key, a password, a token.
pub type SecretText = Zeroizing<String>;

/// Everything that can be configured, checked.
#[derive(Clone)]
pub struct Config {
    /// Development, staging or production.
    pub environment: Environment,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where SQLite, blobs and made keys live.
    pub data: PathBuf,
    /// Which route groups this node serves.
    pub groups: Groups,
    /// The database.
    pub database: Database,
    /// Signs access tokens with HS256 when set; otherwise a key pair is made.
    pub jwt_secret: Option<SecretText>,
    /// The server's own key; made at first start in development.
    pub encryption_key: Option<SecretText>,
    /// The address people type, without a trailing slash: links in mails, `iss`.
    pub app_url: String,
    /// Resend's API key; mail goes through Resend when set.
    pub resend_api_key: Option<SecretText>,
    /// Resend's address, for tests and regions.
    pub resend_api_url: Option<Url>,
    /// SMTP submission, `smtps://user:password@host`.
    pub smtp_url: Option<SecretText>,
    /// `Name <address>` of the sender.
    pub mail_from: String,
    /// A platform's patient API, for connectors that take their default from here.
    pub healthcare_api_url: Option<Url>,
    /// Where notices are posted besides mail.
    pub notification_service_url: Option<Url>,
    /// Rate limits and event fan-out, where several nodes share them.
    pub redis_url: Option<SecretText>,
    /// Longest JSON body, in MiB.
    pub max_json_mb: usize,
    /// Longest file, in MiB.
    pub max_file_mb: usize,
    /// Who may open an account.
    pub registration: Registration,
    /// Types of providers that may open charts.
    pub caseload_types: Vec<String>,
    /// Hosts with private addresses that connections may reach.
    pub connection_allowed_hosts: Vec<String>,
    /// How long a call to another system may take, in seconds.
    pub connection_timeout_secs: u32,
    /// The longest pause after a first failure of another system, in seconds.
    pub connection_retry_secs: u32,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How logs look.
    pub log_format: LogFormat,
    /// A `tracing` filter, such as `info` or `info,chartkey_service=debug`.
    pub log_level: String,
}

/// Where settings come from, strongest first: the command line, the process's
/// environment, `.env`, the file.
#[derive(Default)]
pub struct Sources {
    /// The process's environment.
    pub environment: BTreeMap<String, String>,
    /// The text of `.env`, where there is one.
    pub dotenv: Option<String>,
    /// The directory of `<env>.yml`.
    pub config_dir: PathBuf,
    /// What the command line says.
    pub overrides: Overrides,
}

/// What the command line may set.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--services`.
    pub services: Option<String>,
}

/// A setting that cannot be used. Names the setting, never its value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that cannot be read.
    #[error("{name}: {reason}")]
    Invalid {
        /// The setting, as in the environment.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The configuration file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `.env` cannot be read.
    #[error(".env, line {0}: expected NAME=value")]
    Dotenv(usize),
    /// Production without a secret of its own.
    #[error("{0} is missing, too short or a well-known example; production needs one of its own")]
    Secret(&'static str),
}

impl ConfigError {
    /// The stable dotted word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "config.invalid",
            Self::File { .. } => "config.file",
            Self::Dotenv(_) => "config.dotenv",
            Self::Secret(_) => "config.secret",
        }
    }
}

/// Shortest `ENCRYPTION_KEY` and `JWT_SECRET`, in characters.
pub const MIN_SECRET_LEN: usize = 32;

impl Config {
    /// Reads and checks every setting.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let dotenv = sources
            .dotenv
            .as_deref()
            .map(dotenv::parse)
            .transpose()?
            .unwrap_or_default();
        let named = |name: &str| -> Option<&str> {
            sources
                .environment
                .get(name)
                .or_else(|| dotenv.get(name))
                .map(String::as_str)
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        let environment = match named("CHARTKEY_ENV") {
            None => Environment::Development,
            Some(word) => Environment::parse(word).ok_or(ConfigError::Invalid {
                name: "CHARTKEY_ENV",
                reason: "expected development, staging or production",
            })?,
        };
        let file = FileSettings::read(&sources.config_dir, environment)?;
        let settings = Settings {
            named: &named,
            file: &file,
        };
        let config = settings.config(environment, &sources.overrides)?;
        config.check_secrets()?;
        Ok(config)
    }

    /// `chartkey.db` in the data directory.
    pub fn sqlite_path(&self) -> PathBuf {
        self.data.join("chartkey.db")
    }

    /// Whether `/dev/*` exists and keys may be made without being asked.
    pub fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    fn check_secrets(&self) -> Result<(), ConfigError> {
        for (name, value) in [
            ("ENCRYPTION_KEY", &self.encryption_key),
            ("JWT_SECRET", &self.jwt_secret),
        ] {
            match value {
                Some(secret) if is_weak(secret) => {
                    // Weak everywhere is an error: a short key is never meant.
                    return Err(ConfigError::Secret(name));
                }
                None if self.environment == Environment::Production && name == "ENCRYPTION_KEY" => {
                    return Err(ConfigError::Secret(name));
                }
                _ => {}
            }
        }
        if self.environment == Environment::Production && !self.app_url.starts_with("https://") {
            return Err(ConfigError::Invalid {
                name: "APP_URL",
                reason: "production needs the https:// address that people use",
            });
        }
        Ok(())
    }
}

/// Short, one repeated character, or a phrase from somebody's sample file.
fn is_weak(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    secret.chars().count() < MIN_SECRET_LEN
        || distinct.len() < 8
        || [
            "change", "example", "secret", "password", "default", "replace-", "your-",
        ]
        .iter()
        .any(|word| lower.contains(word))
}

/// One look-up over environment and file.
struct Settings<'a> {
    named: &'a dyn Fn(&str) -> Option<&'a str>,
    file: &'a FileSettings,
}

impl Settings<'_> {
    fn text(&self, name: &'static str) -> Option<String> {
        (self.named)(name)
            .map(str::to_owned)
            .or_else(|| self.file.get(name))
    }

    fn secret(&self, name: &'static str) -> Option<SecretText> {
        self.text(name).map(Zeroizing::new)
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        reason: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| ConfigError::Invalid { name, reason })
            })
            .transpose()
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        self.text(name)
            .map(|text| {
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default()
    }

    fn config(
        &self,
        environment: Environment,
        overrides: &Overrides,
    ) -> Result<Config, ConfigError> {
        let listen = match overrides.listen {
            Some(listen) => listen,
            None => self
                .parsed("LISTEN", "expected an address and port")?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        };
        let services = overrides.services.clone().or_else(|| self.text("SERVICES"));
        Ok(Config {
            environment,
            listen,
            data: overrides
                .data
                .clone()
                .or_else(|| self.text("DATA_DIR").map(PathBuf::from))
                .unwrap_or_else(|| PathBuf::from("data")),
            groups: match services {
                None => Groups::all(),
                Some(text) => Groups::parse(&text).ok_or(ConfigError::Invalid {
                    name: "SERVICES",
                    reason: "expected a list of auth, records, sharing, audit, sync, web",
                })?,
            },
            database: self.database()?,
            jwt_secret: self.secret("JWT_SECRET"),
            encryption_key: self.secret("ENCRYPTION_KEY"),
            app_url: self.app_url(listen)?,
            resend_api_key: self.secret("RESEND_API_KEY"),
            resend_api_url: self.parsed("RESEND_API_URL", "expected a URL")?,
            smtp_url: self.secret("SMTP_URL"),
            mail_from: self
                .text("MAIL_FROM")
                .unwrap_or_else(|| "Chartkey <no-reply@localhost>".to_owned()),
            healthcare_api_url: self.parsed("HEALTHCARE_API_URL", "expected a URL")?,
            notification_service_url: self.parsed("NOTIFICATION_SERVICE_URL", "expected a URL")?,
            redis_url: self.secret("REDIS_URL"),
            max_json_mb: self.megabytes("MAX_JSON_MB", 64, 1024)?,
            max_file_mb: self.megabytes("MAX_FILE_MB", 2048, 8192)?,
            registration: match self.text("REGISTRATION").as_deref() {
                None | Some("open") => Registration::Open,
                Some("invite") => Registration::Invite,
                Some("closed") => Registration::Closed,
                Some(_) => {
                    return Err(ConfigError::Invalid {
                        name: "REGISTRATION",
                        reason: "expected open, invite or closed",
                    });
                }
            },
            caseload_types: match self.list("CASELOAD_TYPES") {
                list if list.is_empty() => vec!["Dietician".to_owned()],
                list => list,
            },
            connection_allowed_hosts: self.list("CONNECTION_ALLOWED_HOSTS"),
            connection_timeout_secs: self.seconds("CONNECTION_TIMEOUT_SECS", 30, 600)?,
            connection_retry_secs: self.seconds("CONNECTION_RETRY_SECS", 60, 3_600)?,
            trusted_proxies: self
                .list("TRUSTED_PROXIES")
                .iter()
                .map(|text| {
                    text.parse().map_err(|_| ConfigError::Invalid {
                        name: "TRUSTED_PROXIES",
                        reason: "expected a list of IP addresses",
                    })
                })
                .collect::<Result<_, _>>()?,
            log_format: match self.text("LOG_FORMAT").as_deref() {
                Some("json") => LogFormat::Json,
                Some("pretty") => LogFormat::Pretty,
                None if environment == Environment::Development => LogFormat::Pretty,
                None => LogFormat::Json,
                Some(_) => {
                    return Err(ConfigError::Invalid {
                        name: "LOG_FORMAT",
                        reason: "expected json or pretty",
                    });
                }
            },
            log_level: self.text("LOG_LEVEL").unwrap_or_else(|| "info".to_owned()),
        })
    }

    fn megabytes(
        &self,
        name: &'static str,
        default: usize,
        most: usize,
    ) -> Result<usize, ConfigError> {
        let reason = "expected a whole number of megabytes";
        match self.parsed(name, reason)? {
            None => Ok(default),
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(_) => Err(ConfigError::Invalid { name, reason }),
        }
    }

    fn seconds(&self, name: &'static str, default: u32, most: u32) -> Result<u32, ConfigError> {
        let reason = "expected a whole number of seconds";
        match self.parsed(name, reason)? {
            None => Ok(default),
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(_) => Err(ConfigError::Invalid { name, reason }),
        }
    }

    fn app_url(&self, listen: SocketAddr) -> Result<String, ConfigError> {
        let text = self
            .text("APP_URL")
            .or_else(|| self.text("NEXT_PUBLIC_APP_URL"))
            .unwrap_or_else(|| format!("http://localhost:{}", listen.port()));
        let url: Url = text.parse().map_err(|_| ConfigError::Invalid {
            name: "APP_URL",
            reason: "expected a URL",
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(ConfigError::Invalid {
                name: "APP_URL",
                reason: "expected an http or https address",
            });
        }
        Ok(text.trim_end_matches('/').to_owned())
    }

    /// `DATABASE_URL`, or `DB_HOST` and its companions, or SQLite.
    fn database(&self) -> Result<Database, ConfigError> {
        let invalid = |reason| ConfigError::Invalid {
            name: "DATABASE_URL",
            reason,
        };
        if let Some(url) = self.secret("DATABASE_URL") {
            return match url.split_once("://").map(|(scheme, _)| scheme) {
                Some("postgres" | "postgresql") => Ok(Database::Postgres(url)),
                Some("sqlite") => Ok(Database::Sqlite),
                _ => Err(invalid("expected postgres://… or sqlite://")),
            };
        }
        let Some(host) = self.text("DB_HOST") else {
            return Ok(Database::Sqlite);
        };
        let mut url = Url::parse("postgres://localhost").map_err(|_| invalid("cannot be made"))?;
        let parts_fit = url.set_host(Some(&host)).is_ok()
            && url
                .set_port(self.parsed("DB_PORT", "expected a port")?)
                .is_ok()
            && url
                .set_username(
                    &self
                        .text("DB_USER")
                        .unwrap_or_else(|| "chartkey".to_owned()),
                )
                .is_ok()
            && url
                .set_password(
                    self.secret("DB_PASSWORD")
                        .as_ref()
                        .map(|text| text.as_str()),
                )
                .is_ok();
        url.set_path(
            &self
                .text("DB_NAME")
                .unwrap_or_else(|| "chartkey".to_owned()),
        );
        if parts_fit {
            Ok(Database::Postgres(Zeroizing::new(url.into())))
        } else {
            Err(ConfigError::Invalid {
                name: "DB_HOST",
                reason: "expected a host name",
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(&Sources {
            environment: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Sources::default()
        })
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        load(pairs)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn nothing_set_is_sqlite_on_a_desk() {
        let config = load(&[]).unwrap();
        assert!(config.is_development());
        assert!(matches!(config.database, Database::Sqlite));
        assert_eq!(config.app_url, "http://localhost:8080");
        assert_eq!((config.max_json_mb, config.max_file_mb), (64, 2048));
        assert!(config.groups.has(Group::Auth) && config.groups.has(Group::Web));
    }

    #[test]
    fn environment_beats_dotenv_beats_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("development.yml"),
            "max_json_mb: 8\nmax_file_mb: 9\napp_url: https://file.example\n",
        )
        .unwrap();
        let config = Config::load(&Sources {
            environment: [("MAX_JSON_MB".to_owned(), "10".to_owned())].into(),
            dotenv: Some("MAX_JSON_MB=11\nexport MAX_FILE_MB=\"12\" # twelve\n".to_owned()),
            config_dir: dir.path().to_owned(),
            overrides: Overrides::default(),
        })
        .unwrap();
        assert_eq!((config.max_json_mb, config.max_file_mb), (10, 12));
        assert_eq!(config.app_url, "https://file.example");
    }

    #[test]
    fn production_refuses_missing_and_well_known_secrets() {
        let good = "b7d1f09c3a5e48d2967fe1c04ab8356d";
        let https = ("APP_URL", "https://chart.example");
        let production = ("CHARTKEY_ENV", "production");
        assert!(refused(&[production, https]).starts_with("ENCRYPTION_KEY"));
        for weak in [
            "short",
            "change-me-change-me-change-me-change-me",
            &"a".repeat(40),
        ] {
            assert!(
                refused(&[production, https, ("ENCRYPTION_KEY", weak)])
                    .starts_with("ENCRYPTION_KEY"),
                "{weak}"
            );
        }
        assert!(refused(&[production, ("ENCRYPTION_KEY", good)]).starts_with("APP_URL"));
        assert!(load(&[production, https, ("ENCRYPTION_KEY", good)]).is_ok());
        assert!(
            refused(&[
                production,
                https,
                ("ENCRYPTION_KEY", good),
                ("JWT_SECRET", "x")
            ])
            .starts_with("JWT_SECRET")
        );
    }

    #[test]
    fn db_parts_make_a_url_and_keep_odd_passwords() {
        let config = load(&[
            ("DB_HOST", "db.example"),
            ("DB_PORT", "6000"),
            ("DB_PASSWORD", "p@ss/w"),
        ])
        .unwrap();
        let Database::Postgres(url) = &config.database else {
            panic!("expected PostgreSQL");
        };
        assert_eq!(
            url.as_str(),
            "postgres://chartkey:p%40ss%2Fw@db.example:6000/chartkey"
        );
    }

    #[test]
    fn bad_values_are_named_and_never_repeated() {
        for (name, value) in [
            ("MAX_JSON_MB", "marker"),
            ("MAX_FILE_MB", "0"),
            ("DATABASE_URL", "mysql://marker"),
            ("APP_URL", "javascript:marker"),
            ("REGISTRATION", "marker"),
            ("TRUSTED_PROXIES", "10.0.0.1, marker"),
            ("CHARTKEY_ENV", "marker"),
            ("SERVICES", "auth,marker"),
            ("LISTEN", "marker"),
            ("RESEND_API_URL", "marker"),
        ] {
            let message = refused(&[(name, value)]);
            assert!(message.starts_with(name), "{name}: {message}");
            assert!(!message.contains("marker"), "{message}");
        }
    }
}
