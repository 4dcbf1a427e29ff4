//! Users, roles and grants: reading them, and making what is missing.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;

use super::Cluster;
use super::cluster::Repeat;
use super::wire::milvus::{
    BackupRbacMetaRequest, CreateCredentialRequest, CreateRoleRequest, GrantEntity, GrantorEntity,
    ObjectEntity, OperatePrivilegeGroupRequest, OperatePrivilegeGroupType, OperatePrivilegeRequest,
    OperatePrivilegeType, OperateUserRoleRequest, OperateUserRoleType, PrivilegeEntity,
    PrivilegeGroupInfo, RbacMeta, RestoreRbacMetaRequest, RoleEntity, SelectGrantRequest,
    SelectRoleRequest, SelectUserRequest, UserEntity, UserInfo, UserResult,
};
use crate::error::{Error, Result};
use crate::model::{ANY, DEFAULT_DATABASE, Grant, PasswordHash, PrivilegeGroup, Rbac, Role, User};

/// What errors call it all.
const SUBJECT: &str = "users and roles";

/// Milvus's own roles, which BackupRBAC leaves out with all that they were granted.
const OWN_ROLES: [&str; 2] = ["admin", "public"];

/// All users and roles of a server.
pub struct FoundRbac {
    /// They themselves.
    pub rbac: Rbac,
    /// Whether the server knows BackupRBAC and RestoreRBAC (2.4.10 on), which carry passwords.
    pub carries_passwords: bool,
}

impl Cluster {
    /// All users, roles, privilege groups and grants. Before 2.4.10, grants in databases that are gone are not
    /// found, and no server tells the password of `root`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on milvus-lite, which knows no users.
    pub async fn rbac(&self) -> Result<FoundRbac> {
        let users = self.users().await?;
        let roles = self.roles().await?;
        let backup = self.backup_rbac().await?;
        let carries_passwords = backup.is_some();
        let mut grants = BTreeSet::new();
        match &backup {
            Some(backup) => {
                grants.extend(backup.grants.iter().map(grant));
                for role in OWN_ROLES {
                    grants.extend(self.grants(role, ANY).await?);
                }
            }
            None => {
                // Each database tells its own grants; "*" is one of them (seen on 2.3.5).
                let mut databases = self.databases().await?;
                databases.push(ANY.to_owned());
                for role in &roles {
                    for database in &databases {
                        grants.extend(self.grants(&role.name, database).await?);
                    }
                }
            }
        }
        let backup = backup.unwrap_or_default();
        let mut hashes: BTreeMap<String, String> = backup
            .users
            .into_iter()
            .filter(|user| !user.password.is_empty())
            .map(|user| (user.user, user.password))
            .collect();
        let mut users: Vec<User> = users
            .into_iter()
            .map(|found| user(found, &mut hashes))
            .collect();
        let mut roles = roles;
        let mut privilege_groups: Vec<PrivilegeGroup> = backup
            .privilege_groups
            .into_iter()
            .map(privilege_group)
            .collect();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        privilege_groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(FoundRbac {
            rbac: Rbac {
                users,
                roles,
                privilege_groups,
                grants: grants.into_iter().collect(),
            },
            carries_passwords,
        })
    }

    async fn users(&self) -> Result<Vec<UserResult>> {
        let message = SelectUserRequest {
            user: None,
            include_role_info: true,
        };
        let answer = self
            .call(
                "SelectUser",
                SUBJECT,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.select_user(request).await },
            )
            .await;
        Ok(answer.map_err(allowed_to_administrators)?.results)
    }

    async fn roles(&self) -> Result<Vec<Role>> {
        let message = SelectRoleRequest::default();
        let answer = self
            .call(
                "SelectRole",
                SUBJECT,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.select_role(request).await },
            )
            .await;
        let found = answer.map_err(allowed_to_administrators)?.results;
        Ok(found
            .into_iter()
            .filter_map(|found| found.role)
            .map(|role| Role {
                name: role.name,
                description: role.description,
            })
            .collect())
    }

    /// The grants of a role in a database.
    async fn grants(&self, role: &str, database: &str) -> Result<Vec<Grant>> {
        let message = SelectGrantRequest {
            entity: Some(GrantEntity {
                role: Some(role_entity(role)),
                db_name: database.to_owned(),
                ..Default::default()
            }),
        };
        let answer = self
            .call(
                "SelectGrant",
                role,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.select_grant(request).await },
            )
            .await;
        let found = answer.map_err(allowed_to_administrators)?.entities;
        Ok(found.iter().map(grant).collect())
    }

    async fn backup_rbac(&self) -> Result<Option<RbacMeta>> {
        let answer = self
            .call(
                "BackupRBAC",
                SUBJECT,
                Repeat::Safe,
                BackupRbacMetaRequest {},
                |mut client, request| async move { client.backup_rbac(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer.rbac_meta.unwrap_or_default())),
            Err(Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(allowed_to_administrators(error)),
        }
    }

    /// Makes what `missing` names, of which the server may have nothing yet: users with hashed passwords, and their
    /// roles; roles; privilege groups; grants. One call, from 2.4.10 on.
    pub async fn restore_rbac(&self, missing: &Rbac) -> Result<()> {
        let message = RestoreRbacMetaRequest {
            rbac_meta: Some(RbacMeta {
                users: missing.users.iter().map(user_info).collect(),
                roles: missing.roles.iter().map(described_role).collect(),
                grants: missing.grants.iter().map(grant_entity).collect(),
                privilege_groups: missing.privilege_groups.iter().map(group_info).collect(),
            }),
        };
        self.call(
            "RestoreRBAC",
            SUBJECT,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.restore_rbac(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }

    /// Makes a user.
    pub async fn create_user(&self, name: &str, password: &str, description: &str) -> Result<()> {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let message = CreateCredentialRequest {
            username: name.to_owned(),
            password: base64::engine::general_purpose::STANDARD.encode(password),
            created_utc_timestamps: now,
            modified_utc_timestamps: now,
            description: description.to_owned(),
        };
        self.call(
            "CreateCredential",
            name,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.create_credential(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }

    /// Makes a role.
    pub async fn create_role(&self, role: &Role) -> Result<()> {
        let message = CreateRoleRequest {
            entity: Some(described_role(role)),
        };
        self.call(
            "CreateRole",
            &role.name,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.create_role(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }

    /// Gives a role to a user.
    pub async fn add_user_to_role(&self, user: &str, role: &str) -> Result<()> {
        let message = OperateUserRoleRequest {
            username: user.to_owned(),
            role_name: role.to_owned(),
            r#type: OperateUserRoleType::AddUserToRole.into(),
        };
        self.call(
            "OperateUserRole",
            user,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.operate_user_role(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }

    /// Grants a privilege to a role, in the name of the user who is logged in. A grant whose kind of object is
    /// `Global` is on everything then, whatever name it has.
    pub async fn grant(&self, grant: &Grant) -> Result<()> {
        let message = OperatePrivilegeRequest {
            entity: Some(grant_entity(grant)),
            r#type: OperatePrivilegeType::Grant.into(),
        };
        let subject = grant.to_string();
        self.call(
            "OperatePrivilege",
            &subject,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.operate_privilege(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }

    /// Adds privileges to a group that is there.
    pub async fn add_to_privilege_group(&self, added: &PrivilegeGroup) -> Result<()> {
        let info = group_info(added);
        let message = OperatePrivilegeGroupRequest {
            group_name: info.group_name,
            privileges: info.privileges,
            r#type: OperatePrivilegeGroupType::AddPrivilegesToGroup.into(),
        };
        self.call(
            "OperatePrivilegeGroup",
            &added.name,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.operate_privilege_group(request).await },
        )
        .await
        .map_err(allowed_to_administrators)?;
        Ok(())
    }
}

/// A refusal for want of rights gets the way around it.
fn allowed_to_administrators(error: Error) -> Error {
    match error {
        Error::Denied {
            server,
            call,
            subject,
            reason,
            privilege,
        } => Error::Denied {
            server,
            call,
            subject,
            reason: format!(
                "{reason}; leave --rbac away, or log in as root or another user with the role admin"
            ),
            privilege,
        },
        error => error,
    }
}

fn user(found: UserResult, hashes: &mut BTreeMap<String, String>) -> User {
    let name = found.user.unwrap_or_default().name;
    let mut roles: Vec<String> = found.roles.into_iter().map(|role| role.name).collect();
    roles.sort();
    User {
        description: found.description,
        password_hash: hashes.remove(&name).map(PasswordHash),
        roles,
        name,
    }
}

fn privilege_group(found: PrivilegeGroupInfo) -> PrivilegeGroup {
    let mut privileges: Vec<String> = found.privileges.into_iter().map(|one| one.name).collect();
    privileges.sort();
    PrivilegeGroup {
        name: found.group_name,
        privileges,
    }
}

fn grant(found: &GrantEntity) -> Grant {
    let grantor = found.grantor.clone().unwrap_or_default();
    let named = |name: &str| match name {
        "" => DEFAULT_DATABASE.to_owned(),
        name => name.to_owned(),
    };
    Grant {
        role: found.role.clone().unwrap_or_default().name,
        object: found.object.clone().unwrap_or_default().name,
        database: named(&found.db_name),
        object_name: found.object_name.clone(),
        privilege: grantor.privilege.unwrap_or_default().name,
        grantor: grantor.user.unwrap_or_default().name,
    }
}

fn grant_entity(grant: &Grant) -> GrantEntity {
    GrantEntity {
        role: Some(role_entity(&grant.role)),
        object: Some(ObjectEntity {
            name: grant.object.clone(),
        }),
        object_name: grant.object_name.clone(),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity {
                // Some servers want one, and all but RestoreRBAC take who is logged in.
                name: match grant.grantor.as_str() {
                    "" => "root".to_owned(),
                    name => name.to_owned(),
                },
            }),
            privilege: Some(PrivilegeEntity {
                name: grant.privilege.clone(),
            }),
        }),
        db_name: grant.database.clone(),
    }
}

fn role_entity(name: &str) -> RoleEntity {
    RoleEntity {
        name: name.to_owned(),
        description: String::new(),
    }
}

fn described_role(role: &Role) -> RoleEntity {
    RoleEntity {
        name: role.name.clone(),
        description: role.description.clone(),
    }
}

fn user_info(user: &User) -> UserInfo {
    UserInfo {
        user: user.name.clone(),
        password: user
            .password_hash
            .as_ref()
            .map(|hash| hash.0.clone())
            .unwrap_or_default(),
        roles: user.roles.iter().map(|name| role_entity(name)).collect(),
    }
}

fn group_info(group: &PrivilegeGroup) -> PrivilegeGroupInfo {
    let privilege = |name: &String| PrivilegeEntity { name: name.clone() };
    PrivilegeGroupInfo {
        group_name: group.name.clone(),
        privileges: group.privileges.iter().map(privilege).collect(),
    }
}
