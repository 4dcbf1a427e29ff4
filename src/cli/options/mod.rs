//! Groups of options that several commands share, and what they mean to the library.

mod adaptation;
mod connection;
mod importing;
mod keys;
mod masks;
mod naming;
mod profile;
mod rbac;
mod selection;
mod store;
mod work;
mod writing;

pub use adaptation::AdaptationArguments;
pub use connection::{ConnectionArguments, Role};
pub use importing::ImportArguments;
pub use keys::{EncryptArguments, KeyArguments};
pub use masks::MaskArguments;
pub use naming::NamingArguments;
pub use profile::{Profile, Profiles, is_name};
pub use rbac::RbacArguments;
pub use selection::{
    CollectionArguments, FilterArgument, PartArguments, ThinArguments, selection, staged,
};
pub use store::{KeepArguments, StoreArguments};
pub use work::WorkArguments;
pub use writing::WritingArguments;
