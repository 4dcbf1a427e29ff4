//! Clusters and stores that have a name: the profiles of `milvault.toml`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use milvault::lite::Lite;
use milvault::milvus::Address;
use milvault::{Error, Result};
use serde::{Deserialize, Deserializer};

use super::StoreArguments;
use super::connection::secret;

/// The file's name, in the working folder and in the folder for configurations.
const FILE: &str = "milvault.toml";

/// What a file holds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
    #[serde(default)]
    stores: BTreeMap<String, StoreArguments>,
}

/// What an address may begin with, which no store is called.
const SCHEMES: [&str; 7] = ["s3", "az", "gs", "file", "http", "https", "tcp"];

/// A cluster, how it is reached, and who we are there. Paths in it start at the folder of the file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Profile {
    address: String,
    pub user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    pub tls_ca: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_server_name: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub timeout: Option<Duration>,
}

/// The profiles of the file that counts.
#[derive(Default)]
pub struct Profiles {
    file: Option<PathBuf>,
    profiles: BTreeMap<String, Profile>,
    stores: BTreeMap<String, StoreArguments>,
}

impl Profiles {
    /// Reads the file that the user names, else the first of the default ones that is there.
    pub fn load(named: Option<&Path>) -> Result<Profiles> {
        if let Some(file) = named {
            return Profiles::read(file)?.ok_or_else(|| {
                Error::Usage(format!(
                    "there is no file {}, which --config or MILVAULT_CONFIG names",
                    file.display()
                ))
            });
        }
        for file in default_files(&|name| std::env::var_os(name).map(PathBuf::from)) {
            if let Some(profiles) = Profiles::read(&file)? {
                return Ok(profiles);
            }
        }
        Ok(Profiles::default())
    }

    /// `None` where there is no such file.
    fn read(file: &Path) -> Result<Option<Profiles>> {
        match std::fs::read_to_string(file) {
            Ok(text) => Profiles::parse(file, &text).map(Some),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::Store {
                doing: "read",
                uri: file.display().to_string(),
                source,
            }),
        }
    }

    fn parse(file: &Path, text: &str) -> Result<Profiles> {
        let content: Content = toml::from_str(text).map_err(|error| mistake(file, text, &error))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut profiles = content.profiles;
        for (name, profile) in &mut profiles {
            profile.start_paths_at(folder);
            profile
                .check(name)
                .map_err(|reason| in_profile(file, name, &reason))?;
        }
        let mut stores = BTreeMap::new();
        for (name, store) in content.stores {
            let named = match store.named(folder) {
                _ if !is_name(&name) || name.contains(':') || SCHEMES.contains(&&*name) => Err(
                    "a store's name has no slashes and colons, and is no scheme such as s3"
                        .to_owned(),
                ),
                named => named,
            };
            let wrong =
                |reason| Error::Usage(format!("{}: store {name}: {reason}", file.display()));
            stores.insert(name.clone(), named.map_err(wrong)?);
        }
        Ok(Profiles {
            file: Some(file.to_owned()),
            profiles,
            stores,
        })
    }

    /// The address that NAME:PATH stands for, and how the store of that name is reached.
    pub fn find_store(&self, text: &str) -> Option<(String, &StoreArguments)> {
        let (name, path) = text.split_once(':')?;
        let store = self.stores.get(name)?;
        Some((store.below(path), store))
    }

    /// The profile that NAME or NAME/DATABASE means, and the address or milvus-lite path that it stands for.
    pub fn find(&self, text: &str) -> Result<Option<(String, &Profile)>> {
        let (name, database) = match text.split_once('/') {
            Some((name, database)) if is_name(database) => (name, Some(database)),
            _ => (text, None),
        };
        let (Some(file), Some(profile)) = (&self.file, self.profiles.get(name)) else {
            return Ok(None);
        };
        let cluster = profile
            .cluster(file.parent().unwrap_or(Path::new("")))
            .and_then(|cluster| match database {
                Some(database) => in_database(cluster, database),
                None => Ok(cluster),
            })
            .map_err(|reason| in_profile(file, name, &reason))?;
        Ok(Some((cluster, profile)))
    }

    /// What there is, as the end of an error's sentence.
    pub fn listed(&self) -> String {
        let Some(file) = &self.file else {
            return format!("there is no {FILE} that would name one");
        };
        let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        if names.is_empty() {
            return format!("{} has no profiles", file.display());
        }
        format!("{} has the profiles {}", file.display(), names.join(", "))
    }

    /// Which stores there are, as the end of an error's sentence.
    pub fn listed_stores(&self) -> String {
        let Some(file) = self.file.as_ref().filter(|_| !self.stores.is_empty()) else {
            return format!("no {FILE} names one");
        };
        let names: Vec<&str> = self.stores.keys().map(String::as_str).collect();
        format!("{} has the stores {}", file.display(), names.join(", "))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

/// Whether the text could be a profile's name: it is neither an address nor a path.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '\\'])
}

impl Profile {
    fn start_paths_at(&mut self, folder: &Path) {
        let paths = [
            &mut self.password_file,
            &mut self.token_file,
            &mut self.tls_ca,
            &mut self.tls_cert,
            &mut self.tls_key,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    fn check(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err("a name has no slashes, and is not empty".to_owned());
        }
        let given = [
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("password_env", self.password_env.is_some()),
            ("token_file", self.token_file.is_some()),
            ("token_env", self.token_env.is_some()),
        ];
        let given: Vec<&str> = given
            .iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| *key)
            .collect();
        let (logins, tokens): (Vec<&str>, Vec<&str>) =
            given.iter().partition(|key| !key.starts_with("token"));
        let passwords = logins.iter().filter(|key| **key != "user").count();
        if passwords > 1 || tokens.len() > 1 || !(logins.is_empty() || tokens.is_empty()) {
            return Err(format!("{} exclude each other", given.join(" and ")));
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("tls_cert and tls_key belong together".to_owned());
        }
        if self.address.contains("://") {
            let address = Address::parse(&self.address).map_err(|error| error.to_string())?;
            if address.credentials.is_some() {
                return Err(format!(
                    "the address holds a password; {}",
                    no_secrets("password")
                ));
            }
        }
        Ok(())
    }

    fn cluster(&self, folder: &Path) -> Result<String, String> {
        if self.address.contains("://") {
            return Ok(self.address.clone());
        }
        let path = folder.join(&self.address);
        path.to_str()
            .filter(|path| Lite::is_path(path))
            .map(str::to_owned)
            .ok_or_else(|| {
                format!(
                    "{} is no milvus-lite database; an address is http[s]://host[:port][/database]",
                    path.display()
                )
            })
    }

    /// The password, where the profile says from where to take it.
    pub fn password(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>> {
        taken(&self.password_file, &self.password_env, environment)
    }

    /// The token, where the profile says from where to take it.
    pub fn token(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>> {
        taken(&self.token_file, &self.token_env, environment)
    }
}

/// The address with another database.
fn in_database(address: String, database: &str) -> Result<String, String> {
    let Some((scheme, rest)) = address.split_once("://") else {
        return Err(format!(
            "{address} is a milvus-lite database, behind which no other is named; use --database {database}"
        ));
    };
    let host = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{host}/{database}"))
}

fn taken(
    file: &Option<PathBuf>,
    variable: &Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>> {
    match (file, variable) {
        (Some(file), _) => secret(file).map(Some),
        (None, Some(variable)) => match environment(variable).filter(|value| !value.is_empty()) {
            None => Err(Error::Usage(format!(
                "the profile takes a secret from the variable {variable}, which is not set"
            ))),
            value => Ok(value),
        },
        (None, None) => Ok(None),
    }
}

/// In the working folder, else in the folder for configurations, as the XDG base directory specification
/// finds it.
fn default_files(environment: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    // Relative ones are to be ignored, the specification says.
    let xdg = environment("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = || environment("HOME").filter(|path| !path.as_os_str().is_empty());
    let folder = xdg.or_else(|| home().map(|home| home.join(".config")));
    let user = folder.map(|folder| folder.join("milvault").join(FILE));
    std::iter::once(PathBuf::from(FILE)).chain(user).collect()
}

/// Names file and line, never a value, which may be a secret.
fn mistake(file: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().and_then(|span| text.get(..span.start));
    let place = match line {
        Some(before) => format!(
            "{}, line {}",
            file.display(),
            before.matches('\n').count() + 1
        ),
        None => file.display().to_string(),
    };
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `");
    let reason = match unknown.and_then(|rest| rest.split_once('`')) {
        Some((key @ ("password" | "token"), _)) => {
            format!("{key} is no key; {}", no_secrets(key))
        }
        Some((key, rest)) => format!("unknown key {key}{rest}"),
        // `invalid type: string "…", expected a table`
        None if message.starts_with("invalid ") => match message.rsplit_once(", expected ") {
            Some((_, expected)) => format!("the value should be {expected}"),
            None => message.to_owned(),
        },
        None => message.replace("missing field", "missing key"),
    };
    Error::Usage(format!("{place}: {reason}"))
}

fn no_secrets(kind: &str) -> String {
    format!(
        "files like this one get copied and shared, so no {kind} is written into them: name a file that holds it \
         with {kind}_file, or a variable with {kind}_env"
    )
}

fn in_profile(file: &Path, name: &str, reason: &str) -> Error {
    Error::Usage(format!("{}: profile {name}: {reason}", file.display()))
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(value)?)
        .ok()
        .filter(|time| !time.is_zero())
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("write a number of seconds"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Profiles> {
        Profiles::parse(Path::new("conf/milvault.toml"), text)
    }

    fn refusal(text: &str) -> String {
        match parse(text) {
            Err(error @ Error::Usage(_)) => error.to_string(),
            Err(error) => format!("no usage error: {error}"),
            Ok(_) => "no error".to_owned(),
        }
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let profiles = parse(
            "[profiles.notes]\naddress = 'data/notes.db'\n\
             [profiles.prod]\naddress = 'https://h/db'\nuser = 'u'\npassword_file = 'secret'\n\
             tls_ca = '/etc/ca.pem'\ntimeout = 2.5\n",
        )
        .unwrap();
        let (notes, _) = profiles.find("notes").unwrap().unwrap();
        assert_eq!(notes, "conf/data/notes.db");
        let (prod, profile) = profiles.find("prod").unwrap().unwrap();
        assert_eq!(prod, "https://h/db");
        assert_eq!(profile.password_file, Some("conf/secret".into()));
        assert_eq!(profile.tls_ca, Some("/etc/ca.pem".into()));
        assert_eq!(profile.timeout, Some(Duration::from_millis(2500)));
        assert!(profiles.find("nobody").unwrap().is_none());
    }

    #[test]
    fn a_database_may_stand_behind_a_name() {
        let profiles = parse(
            "[profiles.notes]\naddress = 'data/notes.db'\n\
             [profiles.prod]\naddress = 'https://h:1/db'\nuser = 'u'\n",
        )
        .unwrap();
        let address = |text: &str| profiles.find(text).unwrap().map(|(address, _)| address);
        assert_eq!(address("prod").unwrap(), "https://h:1/db");
        assert_eq!(address("prod/sales").unwrap(), "https://h:1/sales");
        for other in ["prod/", "prod/a/b", "./prod", "other/sales"] {
            assert_eq!(address(other), None, "{other}");
        }
        let refused = profiles.find("notes/sales").map(|_| ()).unwrap_err();
        assert!(
            refused.to_string().contains("--database sales"),
            "{refused}"
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_file_and_line() {
        for (text, place, key) in [
            ("[profiles.a]\naddress = 'http://h'\nusr = 'u'\n", 3, "usr"),
            ("\n[profile.a]\naddress = 'http://h'\n", 2, "profile"),
            ("timeout = 5\n", 1, "timeout"),
        ] {
            let refusal = refusal(text);
            let expected = format!("conf/milvault.toml, line {place}: unknown key {key}");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
    }

    #[test]
    fn plain_secrets_are_refused_and_not_repeated() {
        for (line, hint) in [
            ("password = 'hunter2'", "password_file"),
            ("token = 'hunter2'", "token_env"),
            ("address = 'http://u:hunter2@h'", "password_env"),
        ] {
            let address = "address = 'http://h'\n";
            let before = if line.starts_with("address") {
                ""
            } else {
                address
            };
            let refusal = refusal(&format!("[profiles.a]\n{before}{line}\n"));
            assert!(refusal.contains(hint), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn mistakes_do_not_repeat_values() {
        for text in [
            "[profiles]\na = 'http://u:hunter2@h'\n",
            "[profiles.a]\naddress = 'http://u:hunter2@h:port'\n",
            "[profiles.a]\naddress = ['hunter2']\n",
            "[profiles.a]\naddress = 'http://h'\npassword_file = hunter2\n",
            "[profiles.a]\naddress = 'http://h'\npassword hunter2\n",
            "[profiles.a]\naddress = 'http://u:hunter2@h\n",
            "[profiles.a]\naddress = 'http://h'\ntimeout = 'hunter2'\n",
        ] {
            let refusal = refusal(text);
            assert!(refusal.starts_with("conf/milvault.toml"), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for keys in [
            "user = 'u'\ntoken_env = 'T'",
            "password_file = 'f'\npassword_env = 'P'",
            "token_file = 'f'\ntoken_env = 'T'",
            "tls_cert = 'c.pem'",
            "timeout = 0",
            "timeout = -1",
        ] {
            let refusal = refusal(&format!("[profiles.a]\naddress = 'http://h'\n{keys}\n"));
            assert!(refusal.starts_with("conf/milvault.toml"), "{refusal}");
        }
        assert!(refusal("[profiles.'a/b']\naddress = 'http://h'\n").contains("slash"));
        assert!(refusal("[profiles.a]\n").contains("missing key `address`"));
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_when_it_is_used() {
        let profiles = parse("[profiles.a]\naddress = 'localhost:19530'\n").unwrap();
        let refusal = profiles.find("a").map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains("profile a: "), "{refusal}");
        assert!(refusal.contains("http[s]://"), "{refusal}");
    }

    #[test]
    fn a_secret_whose_variable_is_not_set_is_missed() {
        let profiles =
            parse("[profiles.a]\naddress = 'http://h'\ntoken_env = 'A_TOKEN'\n").unwrap();
        let (_, profile) = profiles.find("a").unwrap().unwrap();
        let set = |name: &str| (name == "A_TOKEN").then(|| "t".to_owned());
        assert_eq!(profile.token(&set).unwrap(), Some("t".into()));
        let refused = profile.token(&|_| Some(String::new())).unwrap_err();
        assert!(refused.to_string().contains("A_TOKEN"), "{refused}");
    }

    #[test]
    fn the_working_folder_goes_before_the_folder_for_configurations() {
        let files = |variables: &'static [(&str, &str)]| {
            default_files(&|name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| PathBuf::from(value))
            })
        };
        let here = PathBuf::from("milvault.toml");
        let both = files(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(both, [here.clone(), "/x/milvault/milvault.toml".into()]);
        let home = files(&[("XDG_CONFIG_HOME", ""), ("HOME", "/h")]);
        assert_eq!(
            home,
            [here.clone(), "/h/.config/milvault/milvault.toml".into()]
        );
        assert_eq!(files(&[]), [here]);
    }
}
