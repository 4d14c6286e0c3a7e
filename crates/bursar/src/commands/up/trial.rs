//! `bursar up --simulate`: all that a first job needs, in one folder. Its simulator is the gateway, so no money moves.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bursar_server::{Role, new_token};
use bursar_simulator::{Options, Ready, Simulator};

use crate::exit::{Context, Failure};
use crate::output::line;

/// A running simulator with the configuration of one account at it.
pub(super) struct Trial {
    simulator: Simulator,
    folder: PathBuf,
}

/// The tokens that are made, with the files that hold them.
const TOKENS: [(&str, Role); 2] = [("shop", Role::Producer), ("li", Role::Operator)];

impl Trial {
    /// Starts the simulator. Files that an earlier run made are used again.
    pub(super) async fn start(folder: &Path, listen: SocketAddr) -> Result<Self, Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.context(format_args!("cannot make the folder {}", folder.display()))?;
        let folder = std::path::absolute(folder)?;
        let options = Options { listen, dir: Some(folder.join("keys")), ..Options::default() };
        let simulator = Simulator::start(options).await.context(format_args!("the simulator at {listen}"))?;
        Ok(Self { simulator, folder })
    }

    /// The configuration file. It is made where there is none, with this Redis if one is given.
    pub(super) fn configuration(&self, redis_url: Option<&str>) -> Result<PathBuf, Failure> {
        let file = self.folder.join("bursar.toml");
        create(&file, &configuration(self.simulator.ready(), redis_url))?;
        let tokens = self.folder.join("tokens.toml");
        if tokens.exists() {
            return Ok(file);
        }
        let mut entries = String::new();
        for (name, role) in TOKENS {
            let (token, sha256) = new_token()?;
            replace(&self.token_file(name), &format!("{token}\n"))?;
            entries.push_str(&format!(
                "[[token]]\nname = \"{name}\"\nrole = \"{}\"\nsha256 = \"{sha256}\"\n\n",
                role.as_str()
            ));
        }
        create(&tokens, &entries)?;
        Ok(file)
    }

    fn token_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.token"))
    }

    /// Prints what to try: the words of a shell, and comments.
    pub(super) fn say(&self, server: SocketAddr) -> Result<(), Failure> {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let [producer, operator] = TOKENS.map(|(name, _)| quoted(&self.token_file(name)));
        let ready = self.simulator.ready();
        Ok(line(format_args!(
            "# The gateway is a simulator at http://{}: no money moves. Submit a job:\n\
             curl -sS http://{server}/v1/jobs -H 'Content-Type: application/json' \\\n  \
             -H \"Authorization: Bearer $(cat {producer})\" \\\n  \
             -d '{{\"account\": \"main\", \"kind\": \"transfer\", \"platform_no\": \"FIRST-1\",\n       \
             \"body\": {{\"node_id\": \"00061967\", \"total_amount\": 10, \"payer_store_no\": \"amy99a\", \"payer_type\": \"1\",\n                \
             \"payee_store_no\": \"amy99b\", \"payee_type\": \"2\", \"arrive_time\": \"T0\"}}}}'\n\
             # Other commands of bursar need:\nexport BURSAR_CONFIG={}\n\
             # The dashboard is http://{server}/ and takes this token:\ncat {operator}",
            ready.listen,
            quoted(&self.folder.join("bursar.toml")),
        ))?)
    }

    /// Stops the simulator.
    pub(super) async fn stop(self) {
        self.simulator.stop().await;
    }
}

/// Creates a file for its owner alone; one that exists stays as it is.
fn create(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match opened.and_then(|mut opened| opened.write_all(text.as_bytes())) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        written => written.context(format_args!("cannot write {}", file.display())),
    }
}

/// Writes a file for its owner alone, in the place of one that exists.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .context(format_args!("cannot write {}", file.display()))
}

/// One account at the simulator. Relative names are read from the folder of the configuration.
fn configuration(ready: &Ready, redis_url: Option<&str>) -> String {
    let text = |text: &str| toml::Value::from(text).to_string();
    let redis = redis_url.map(|url| format!("[redis]\nurl = {}\n\n", text(url))).unwrap_or_default();
    let path = |file: &Path| text(&file.to_string_lossy());
    format!(
        "# Made by `bursar up --simulate`. The gateway is the simulator of that process: no money moves.\n\n\
         {redis}[accounts.main]\ngateway = \"yzt\"\nbase_url = {}\napp_id = {}\nprivate_key_file = {}\n\
         platform_public_key_file = {}\n\n[webhooks]\nallow_unsigned = true # a trial; use secrets_file\n",
        text(&format!("http://{}", ready.listen)),
        text(&ready.app_id),
        path(&ready.app_private_key_file),
        path(&ready.platform_public_key_file),
    )
}
