-- LIC-1: a user has at most one seat. As an index of taken seats alone: the constraint's index held the free ones as well,
-- and PostgreSQL read them all to find the first where it had no statistics yet, or never gathers any (PGlite): 12 to 20
-- ms of processor a seat in a pool of 40,000, and now 1.2 (1,000 people stepping up, PGlite).
alter table seats drop constraint seats_tenant_id_user_id_key;
create unique index seats_user on seats (tenant_id, user_id) where user_id is not null;
