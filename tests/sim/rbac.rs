//! Users, roles and grants, as far as servers from 2.4.10 on check what they are sent.

use base64::Engine;
use milvault::milvus::wire::common::Status;
use milvault::milvus::wire::milvus::*;

use super::refusal::{Outcome, Refusal};
use super::world::World;

/// Milvus's own: `RBACMeta` leaves them out (`kv_catalog.go`, `BackupRBAC`).
const ROOT: &str = "root";
const OWN_ROLES: [&str; 2] = ["admin", "public"];

/// A server's first users and roles.
pub fn initial() -> RbacMeta {
    RbacMeta {
        users: vec![UserInfo {
            user: ROOT.into(),
            password: hashed("Milvus"),
            roles: Vec::new(),
        }],
        roles: OWN_ROLES.iter().map(|name| role(name)).collect(),
        grants: vec![grant("public", "Global", ("*", "*"), "ShowCollections")],
        privilege_groups: Vec::new(),
    }
}

/// What this server makes of a password. It stands for bcrypt.
pub fn hashed(password: &str) -> String {
    format!("$2a$10${}", password.chars().rev().collect::<String>())
}

pub fn role(name: &str) -> RoleEntity {
    RoleEntity {
        name: name.into(),
        ..RoleEntity::default()
    }
}

/// On an object of a database.
pub fn grant(
    to: &str,
    object: &str,
    (database, name): (&str, &str),
    privilege: &str,
) -> GrantEntity {
    GrantEntity {
        role: Some(role(to)),
        object: Some(ObjectEntity {
            name: object.into(),
        }),
        object_name: name.into(),
        db_name: database.into(),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity { name: ROOT.into() }),
            privilege: Some(PrivilegeEntity {
                name: privilege.into(),
            }),
        }),
    }
}

fn privilege(grant: &GrantEntity) -> &str {
    let grantor = grant.grantor.as_ref().unwrap();
    &grantor.privilege.as_ref().unwrap().name
}

fn role_of(grant: &GrantEntity) -> &str {
    &grant.role.as_ref().unwrap().name
}

impl World {
    pub fn select_user(&mut self, _: SelectUserRequest) -> Outcome<SelectUserResponse> {
        let result = |user: &UserInfo| UserResult {
            user: Some(UserEntity {
                name: user.user.clone(),
            }),
            roles: user.roles.clone(),
            ..UserResult::default()
        };
        Ok(SelectUserResponse {
            results: self.access.users.iter().map(result).collect(),
            ..SelectUserResponse::default()
        })
    }

    pub fn select_role(&mut self, _: SelectRoleRequest) -> Outcome<SelectRoleResponse> {
        let result = |role: &RoleEntity| RoleResult {
            role: Some(role.clone()),
            users: Vec::new(),
        };
        Ok(SelectRoleResponse {
            results: self.access.roles.iter().map(result).collect(),
            ..SelectRoleResponse::default()
        })
    }

    /// The grants of a database and those of `*`; of all databases if that is `*` (`kv_catalog.go`, `ListGrant`).
    pub fn select_grant(&mut self, request: SelectGrantRequest) -> Outcome<SelectGrantResponse> {
        let asked = request.entity.unwrap();
        let fits = |grant: &&GrantEntity| {
            role_of(grant) == role_of(&asked)
                && (asked.db_name == "*" || grant.db_name == "*" || grant.db_name == asked.db_name)
        };
        Ok(SelectGrantResponse {
            entities: self.access.grants.iter().filter(fits).cloned().collect(),
            ..SelectGrantResponse::default()
        })
    }

    /// Without `root`, `admin` and `public` (`kv_catalog.go`, `BackupRBAC`).
    pub fn backup_rbac(&mut self, _: BackupRbacMetaRequest) -> Outcome<BackupRbacMetaResponse> {
        let mut told = self.access.clone();
        told.users.retain(|user| user.user != ROOT);
        told.roles
            .retain(|role| !OWN_ROLES.contains(&role.name.as_str()));
        told.grants
            .retain(|grant| !OWN_ROLES.contains(&role_of(grant)));
        Ok(BackupRbacMetaResponse {
            rbac_meta: Some(told),
            ..BackupRbacMetaResponse::default()
        })
    }

    /// Nothing may be there yet (`meta_table.go`, `CheckIfRBACRestorable`).
    pub fn restore_rbac(&mut self, request: RestoreRbacMetaRequest) -> Outcome<Status> {
        let meta = request.rbac_meta.unwrap_or_default();
        let refuse = |words: String| Err(Refusal::unexpected(words));
        if meta == RbacMeta::default() {
            return refuse("the rbac meta is empty".into());
        }
        let there = &self.access;
        for role in &meta.roles {
            if there.roles.iter().any(|other| other.name == role.name) {
                return refuse(format!("role [{}] already exists", role.name));
            }
        }
        for group in &meta.privilege_groups {
            let name = &group.group_name;
            if there
                .privilege_groups
                .iter()
                .any(|other| other.group_name == *name)
            {
                return refuse(format!("privilege group [{name}] already exists"));
            }
        }
        for grant in &meta.grants {
            // Before pull request 48978.
            if privilege(grant) == "*" {
                return refuse("privilege [*] does not exist".into());
            }
            if there.grants.contains(grant) {
                return refuse(format!(
                    "the privilege[{}] has been granted",
                    privilege(grant)
                ));
            }
        }
        for user in &meta.users {
            if there.users.iter().any(|other| other.user == user.user) {
                return refuse(format!("user [{}] already exists", user.user));
            }
            for role in &user.roles {
                let mut all = there.roles.iter().chain(&meta.roles);
                if !all.any(|other| other.name == role.name) {
                    return refuse(format!("role [{}] does not exist", role.name));
                }
            }
        }
        self.access.users.extend(meta.users);
        self.access.roles.extend(meta.roles);
        self.access.grants.extend(meta.grants);
        self.access.privilege_groups.extend(meta.privilege_groups);
        Ok(Status::default())
    }

    pub fn create_credential(&mut self, request: CreateCredentialRequest) -> Outcome<Status> {
        let password = base64::engine::general_purpose::STANDARD.decode(&request.password);
        let password = String::from_utf8(password.unwrap()).unwrap();
        self.access.users.push(UserInfo {
            user: request.username,
            password: hashed(&password),
            roles: Vec::new(),
        });
        Ok(Status::default())
    }

    pub fn operate_user_role(&mut self, request: OperateUserRoleRequest) -> Outcome<Status> {
        let mut users = self.access.users.iter_mut();
        match users.find(|user| user.user == request.username) {
            Some(user) => user.roles.push(role(&request.role_name)),
            None => return Err(Refusal::unexpected("not found the user")),
        }
        Ok(Status::default())
    }

    /// A global grant is on everything, whatever it names (`root_coord.go`, `OperatePrivilege`).
    pub fn operate_privilege(&mut self, request: OperatePrivilegeRequest) -> Outcome<Status> {
        let mut grant = request.entity.unwrap();
        if grant.object.as_ref().unwrap().name == "Global" {
            grant.object_name = "*".into();
        }
        self.access.grants.push(grant);
        Ok(Status::default())
    }

    pub fn operate_privilege_group(
        &mut self,
        request: OperatePrivilegeGroupRequest,
    ) -> Outcome<Status> {
        let mut groups = self.access.privilege_groups.iter_mut();
        match groups.find(|group| group.group_name == request.group_name) {
            Some(group) => group.privileges.extend(request.privileges),
            None => return Err(Refusal::unexpected("there is no privilege group name")),
        }
        Ok(Status::default())
    }
}
