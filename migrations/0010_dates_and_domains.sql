-- What the clock makes due: people's dates, and the mail domains that are looked up again every day.

-- USR-7: when somebody last looked at this person because of the clock, and nothing was to be done.
alter table users add column dated_at timestamptz;

-- The time in which the decided status holds, as far as dates go: what is due is found by an index, across tenants.
-- From decided_until on it is to be decided again: an end or an invitation's expiry for who is in, the start for who is
-- yet to start. Whoever is out for another reason is not moved by a date.
alter table users add column decided_until timestamptz generated always as (case
  when not active or suspended then null
  when status <> 'inactive' then least(ends_at, case when not accepted then invitation_expires_at end)
  when starts_at > greatest(modified_at, dated_at) then starts_at
end) stored;
-- Before decided_from it was decided by a clock that ran ahead.
alter table users add column decided_from timestamptz generated always as (case
  when not active or suspended then null
  when status <> 'inactive' then starts_at
  when starts_at > greatest(modified_at, dated_at) then null
  else least(ends_at, case when not accepted then invitation_expires_at end)
end) stored;
-- In the order in which one tenant's are carried out; that they are the tenant's is seen in the index as well.
create index users_due on users (decided_until, id, tenant_id) where decided_until is not null;
create index users_ahead on users (decided_from, id, tenant_id) where decided_from is not null;

-- USR-5: who proved a domain, and how it stands with the record that proves it.
alter table domains
  -- What the tenant publishes in DNS; every claim has its own, so that no tenant's record serves another.
  add column token text not null default replace(gen_random_uuid()::text, '-', ''),
  -- By the record in DNS, or by the operator's word; null: not yet.
  add column proof text check (proof in ('dns', 'operator')),
  add column added_by jsonb,
  add column added_at timestamptz,
  add column checked_at timestamptz,
  -- When the record is looked up again.
  add column check_at timestamptz,
  -- Since when the record is gone, and since when it has been gone for so long that another tenant may prove the domain.
  add column missing_since timestamptz,
  add column lapsed_at timestamptz,
  add constraint domains_proof check ((verified_at is null) = (proof is null)) not valid;
create index domains_due on domains (check_at) where check_at is not null;

-- One tenant per verified domain: the names that are taken, and not by whom, because whoever meets one learns no more than
-- that. Kept by triggers, so that no statement forgets it.
create table verified_domains (
  name text primary key
);

-- Where several tenants have had the same name so far, it stays with the first.
update domains d set verified_at = null where exists (
  select from domains o where o.name = d.name and o.verified_at is not null
    and (o.verified_at, o.tenant_id) < (d.verified_at, d.tenant_id));
update domains set proof = 'operator' where verified_at is not null;
update domains d set added_at = coalesce(d.verified_at, t.created_at) from tenants t where t.id = d.tenant_id;
alter table domains validate constraint domains_proof;
alter table domains alter column added_at set not null;
insert into verified_domains (name) select name from domains where verified_at is not null;

create function take_domain() returns trigger language plpgsql as $$
begin
  insert into verified_domains (name) values (new.name);
  return null;
end $$;
create function give_domain_back() returns trigger language plpgsql as $$
begin
  delete from verified_domains where name = old.name;
  return null;
end $$;
create trigger domains_taken_new after insert on domains for each row
  when (new.verified_at is not null) execute function take_domain();
create trigger domains_taken after update on domains for each row
  when (old.verified_at is null and new.verified_at is not null) execute function take_domain();
create trigger domains_given_back after update on domains for each row
  when (old.verified_at is not null and new.verified_at is null) execute function give_domain_back();
create trigger domains_removed after delete on domains for each row
  when (old.verified_at is not null) execute function give_domain_back();
-- Who is to be asked, when somebody else proves a domain whose record has been gone for long.
create index domains_verified on domains (name) where verified_at is not null;
