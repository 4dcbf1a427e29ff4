"""Connecting to any of the test servers, and what the two programs have in common."""

import argparse

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

import scenarios


def arguments(description):
    """ADDRESS SCENARIO[,SCENARIO…] and the options that all programs take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("address", help="host:port")
    parser.add_argument("scenarios", help="several are separated by commas")
    parser.add_argument("--collection", help="default: the scenario's name; only for one scenario")
    parser.add_argument("--suffix", default="", help="what follows the scenarios' names in those of the collections")
    parser.add_argument("--db", default="", help="made by fill.py if it does not exist")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificates", help="folder of ca.pem, client.pem and client.key: talk TLS")
    parser.add_argument("--load", action="store_true", help="truth.py: index and load the collection first where needed")
    parser.add_argument("--of", help="the kind of server that the rows are made for, or ONE+ANOTHER; default: this server")
    parser.add_argument("--without", default="", help="truth.py: fields that were left out, a,b")
    args = parser.parse_args()
    args.scenarios = args.scenarios.split(",")
    if unknown := set(args.scenarios) - scenarios.SCENARIOS.keys():
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(scenarios.SCENARIOS)}")
    return args


def collection(args, name):
    """What the collection of a scenario is called."""
    return args.collection or name + args.suffix


def connect(args, db=None):
    """A client of the server, in the database that was asked for."""
    options = {"user": args.user, "password": args.password, "db_name": args.db if db is None else db, "timeout": 300}
    if not args.certificates:
        return MilvusClient(f"http://{args.address}", **options)
    folder = args.certificates
    options |= {"secure": True, "server_name": "localhost"}
    options |= {"ca_pem_path": f"{folder}/ca.pem"}
    options |= {"client_pem_path": f"{folder}/client.pem", "client_key_path": f"{folder}/client.key"}
    return MilvusClient(f"https://{args.address}", **options)


def server_kind(client):
    """milvus-2.2.16, milvus-2.3.5, lite-3.2.2 or lite-2.5.1."""
    try:
        version = client.get_server_version()
    except (MilvusException, grpc.RpcError):
        # milvus-lite 2.5.1 does not know the call.
        return "lite-2.5.1"
    if version.startswith("milvus_lite-"):
        return "lite-" + version.removeprefix("milvus_lite-")
    # "v2.3.5-lite" is what the `milvus` package calls itself.
    return "milvus-" + version.removeprefix("v").removesuffix("-lite")


def scenario(args, client, name):
    """The scenario as this server, or those of --of, can hold it, without the fields of --without."""
    made = scenarios.SCENARIOS[name](args.of or server_kind(client))
    left_out = set(filter(None, args.without.split(",")))
    made.fields = [field for field in made.fields if field[0] not in left_out]
    for rows in made.rows.values():
        for row in rows:
            for name in left_out:
                row.pop(name, None)
    return made
