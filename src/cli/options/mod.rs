//! Groups of options that several commands share, and what they mean to the library.

mod adaptation;
mod connection;
mod naming;
mod profile;
mod selection;
mod work;
mod writing;

pub use adaptation::AdaptationArguments;
pub use connection::{ConnectionArguments, Role};
pub use naming::NamingArguments;
pub use profile::{Profile, Profiles, is_name};
pub use selection::{CollectionArguments, FilterArgument, PartArguments, selection};
pub use work::WorkArguments;
pub use writing::WritingArguments;
