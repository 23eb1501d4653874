#!/bin/sh
# Makes what docker-compose.tls.yml mounts, in a folder (deploy/tls unless given): a development CA, a certificate for
# each service, and tokens: client.token, and the one that the classifier calls the featurizer with. The CA's key is
# thrown away; run it again for another CA, and restart the services.
#   deploy/make-dev-ca.sh [FOLDER]
# For development: real certificates are issued, renewed and distributed by your own CA.
set -eu
folder=${1:-$(dirname "$0")/tls}
days=365
mkdir -p "$folder"
# Nobody else on this machine enters the folder. Its files can be read by all, so that the containers' user can.
chmod 700 "$folder"
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

openssl ecparam -name prime256v1 -genkey -noout -out "$work/ca.key"
cat >"$work/ca.conf" <<EOF
[req]
distinguished_name = name
x509_extensions = ca
prompt = no
[name]
CN = Lastlayer development CA
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
EOF
openssl req -x509 -new -key "$work/ca.key" -sha256 -days "$days" -config "$work/ca.conf" -out "$folder/ca.pem"

for service in featurizer classifier; do
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/key.pem"
  openssl req -new -key "$work/key.pem" -subj "/CN=$service" -out "$work/request.pem"
  cat >"$work/certificate.conf" <<EOF
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:$service, DNS:localhost, IP:127.0.0.1
EOF
  openssl x509 -req -in "$work/request.pem" -CA "$folder/ca.pem" -CAkey "$work/ca.key" -CAserial "$work/serial" \
    -CAcreateserial -sha256 -days "$days" -extfile "$work/certificate.conf" -out "$folder/$service.pem" 2>/dev/null
  openssl pkcs8 -topk8 -nocrypt -in "$work/key.pem" -out "$folder/$service.key"
  chmod 644 "$folder/$service.key"
done

# Writes a token of the scope $2 to $1.token, for $1 to show, and to $3-tokens.toml what the service $3 knows of it.
make_token() {
  token=$(openssl rand -hex 32)
  echo "$token" >"$folder/$1.token"
  cat >"$folder/$3-tokens.toml" <<EOF
[[tokens]]
name = "$1"
sha256 = "$(printf %s "$token" | openssl dgst -sha256 -r | cut -d ' ' -f 1)"
scopes = ["$2"]
EOF
}

make_token client admin classifier
make_token classifier predict featurizer
echo "Written to $folder: ca.pem, for each service a certificate, its key and the tokens it knows, and client.token."
