//! What reads wait for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::datatype::NameOrNumber;

/// What a read of the collection waits for by default, named as Milvus names it.
///
/// Stored as its name, or as its number where it has none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsistencyLevel {
    /// For everything that was written before the read.
    Strong,
    /// For what its own session has written.
    Session,
    /// For all but the last seconds.
    Bounded,
    /// For nothing.
    Eventually,
    /// For what each read asks for.
    Customized,
    /// A level that this version of milvault does not know, by its number.
    Unknown(i32),
}

/// Every level, in the order of the numbers of milvus-proto's `ConsistencyLevel`, which begin with 0.
const KNOWN: [(ConsistencyLevel, &str); 5] = [
    (ConsistencyLevel::Strong, "Strong"),
    (ConsistencyLevel::Session, "Session"),
    (ConsistencyLevel::Bounded, "Bounded"),
    (ConsistencyLevel::Eventually, "Eventually"),
    (ConsistencyLevel::Customized, "Customized"),
];

impl ConsistencyLevel {
    /// The level with this number on the wire.
    pub fn from_code(code: i32) -> ConsistencyLevel {
        (0..)
            .zip(KNOWN)
            .find(|(number, _)| *number == code)
            .map_or(ConsistencyLevel::Unknown(code), |(_, (level, _))| level)
    }

    /// The level's number on the wire.
    pub fn code(self) -> i32 {
        match self {
            ConsistencyLevel::Strong => 0,
            ConsistencyLevel::Session => 1,
            ConsistencyLevel::Bounded => 2,
            ConsistencyLevel::Eventually => 3,
            ConsistencyLevel::Customized => 4,
            ConsistencyLevel::Unknown(code) => code,
        }
    }
}

impl fmt::Display for ConsistencyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KNOWN.iter().find(|(known, _)| known == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "level {}", self.code()),
        }
    }
}

impl Serialize for ConsistencyLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ConsistencyLevel::Unknown(code) => serializer.serialize_i32(*code),
            known => serializer.collect_str(known),
        }
    }
}

impl<'de> Deserialize<'de> for ConsistencyLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ConsistencyLevel, D::Error> {
        match NameOrNumber::deserialize(deserializer)? {
            NameOrNumber::Number(code) => Ok(ConsistencyLevel::from_code(code)),
            NameOrNumber::Name(name) => KNOWN
                .iter()
                .find(|(_, known)| *known == name)
                .map(|(known, _)| *known)
                .ok_or_else(|| de::Error::custom(format!("{name:?} is no consistency level"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::wire::common::ConsistencyLevel as Wire;

    #[test]
    fn levels_have_the_numbers_of_the_wire() {
        for (wire, level) in [
            (Wire::Strong, ConsistencyLevel::Strong),
            (Wire::Session, ConsistencyLevel::Session),
            (Wire::Bounded, ConsistencyLevel::Bounded),
            (Wire::Eventually, ConsistencyLevel::Eventually),
            (Wire::Customized, ConsistencyLevel::Customized),
        ] {
            assert_eq!(level.code(), i32::from(wire));
            assert_eq!(ConsistencyLevel::from_code(wire.into()), level);
        }
        assert_eq!(
            ConsistencyLevel::from_code(5),
            ConsistencyLevel::Unknown(5),
            "and not the level that 0 stands for"
        );
    }
}
