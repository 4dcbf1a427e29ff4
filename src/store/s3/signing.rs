//! The hash that a request is signed with.

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept};
use ring::digest::Digest;

use crate::archive::hex;

/// Has a request signed with the hash of its body that is known already: the SDK would hash it once more.
#[derive(Debug)]
pub(super) struct SignedSha(String);

impl SignedSha {
    pub(super) fn new(sha256: &Digest) -> SignedSha {
        SignedSha(hex(sha256.as_ref()))
    }
}

impl Intercept for SignedSha {
    fn name(&self) -> &'static str {
        "hash of the body"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        config
            .interceptor_state()
            .store_put(PayloadSigningOverride::Precomputed(self.0.clone()));
        Ok(())
    }
}
