"""Users, roles and grants, by pymilvus: rbac.py ADDRESS make SPEC | read | allowed USER PASSWORD DB COLLECTION.

SPEC is a JSON object: "users" by name ({"password", "roles"}), "roles" (names), and "grants" (each role, object, name,
privilege, database). `read` prints the same without passwords, with all that the server has in its databases and in
"*". `allowed` prints which of Load, GetStatistics and Drop a user may do; null for who is
not let in.
"""

import base64
import json
import sys

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import milvus_pb2 as messages
from pymilvus.grpc_gen import milvus_pb2_grpc as service

ROOT = ("root", "Milvus")


def main():
    address, command, *rest = sys.argv[1:]
    if command == "make":
        make(address, json.loads(rest[0]))
    elif command == "read":
        print(json.dumps(read(address)))
    else:
        print(json.dumps(allowed(address, *rest)))


def connect(address, user=ROOT[0], password=ROOT[1], db=""):
    return MilvusClient(f"http://{address}", user=user, password=password, db_name=db, timeout=60)


def make(address, spec):
    client = connect(address)
    for role in spec.get("roles", []):
        client.create_role(role)
    for name, user in spec.get("users", {}).items():
        if "password" in user:
            client.create_user(name, user["password"])
        for role in user.get("roles", []):
            client.grant_role(name, role)
    for grant in spec.get("grants", []):
        client.grant_privilege(
            role_name=grant["role"],
            object_type=grant["object"],
            privilege=grant["privilege"],
            object_name=grant["name"],
            db_name=grant["database"],
        )


def read(address):
    client = connect(address)
    users = {name: {"roles": sorted(client.describe_user(name).get("roles", []))} for name in client.list_users()}
    roles = sorted(client.list_roles())
    # The client's own describe_role asks for one database; the raw call takes "*", too.
    stub = service.MilvusServiceStub(grpc.insecure_channel(address))
    login = [("authorization", base64.b64encode(":".join(ROOT).encode()).decode())]
    grants = set()
    for role in roles:
        for database in [*client.list_databases(), "*"]:
            entity = messages.GrantEntity(role=messages.RoleEntity(name=role), db_name=database)
            answer = stub.SelectGrant(messages.SelectGrantRequest(entity=entity), metadata=login)
            assert answer.status.error_code == 0, answer.status
            for one in answer.entities:
                privilege = one.grantor.privilege.name
                grants.add((one.role.name, one.object.name, one.db_name, one.object_name, privilege))
    return {"users": users, "roles": roles, "grants": sorted(grants)}


def allowed(address, user, password, db, collection):
    try:
        client = connect(address, user, password, db)
    except MilvusException:
        return None
    calls = {
        "GetStatistics": lambda: client.get_collection_stats(collection),
        "Load": lambda: client.load_collection(collection),
        "Drop": lambda: client.drop_collection(collection),
    }
    found = []
    for name, call in calls.items():
        try:
            call()
        except (MilvusException, grpc.RpcError) as error:
            if "permission deny" in str(error):
                continue
        found.append(name)
    return found


if __name__ == "__main__":
    main()
