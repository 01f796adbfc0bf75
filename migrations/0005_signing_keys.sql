-- The keys that sign access tokens. They belong to the installation, not to a tenant: one issuer, one set of keys. A row
-- counts only where USHER_SECRET opens it, so that nobody who can merely write here brings in a key of their own.
create table signing_keys (
  -- RFC 7638 thumbprint of the public key.
  kid text primary key,
  -- The private key as JWK, encrypted with a key derived from USHER_SECRET and bound to kid and created_at.
  sealed bytea not null,
  created_at timestamptz not null
);
