//! What the stores that speak plain HTTP share: the client, and words for what goes wrong on the way.

use std::time::Duration;

use crate::{Error, Result};

const CONNECT: Duration = Duration::from_secs(10);

/// How long a service may say nothing before the connection is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// A client of any HTTP service. It follows no redirects, which could lead credentials elsewhere.
pub(super) fn client() -> Result<reqwest::Client> {
    client_that_waits(CONNECT)
}

/// The same, which waits for a connection so long.
pub(super) fn client_that_waits(connect: Duration) -> Result<reqwest::Client> {
    // One that is installed already will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(connect)
        .read_timeout(SILENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Error::Program {
            doing: "set up TLS".to_owned(),
            reason: causes(&error),
        })
}

/// What went wrong below, the last being what really did; each once. Addresses are left out: their query may be signed.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = one_line(&error.to_string());
        if !text.is_empty() && !words.iter().any(|known| known.contains(&text)) {
            words.push(text);
        }
        cause = error.source();
    }
    words.join(": ")
}

/// Text on one line, without the queries of addresses in it.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.find("://") {
        Some(_) => match word.split_once('?') {
            Some((address, _)) => format!("{address}?…"),
            None => word.to_owned(),
        },
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_queries_are_not_repeated() {
        assert_eq!(
            one_line("cannot get\n https://account.host/container?sv=1&sig=secret for now"),
            "cannot get https://account.host/container?… for now"
        );
        assert_eq!(
            one_line("what?sig=stays for it is no address"),
            "what?sig=stays for it is no address"
        );
    }
}
