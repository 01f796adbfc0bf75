/** The customer's mapping: from groups and attributes to teams, tiers and roles. */

/** Entra's object id of the group whose members are to be administrators. */
export const administratorsGroup = "8d1f6a52-usher-administrators";

export const mapping = {
  groups: [
    { match: { displayName: "Sales" }, team: { name: "Sales" }, tier: "standard" },
    { match: { displayName: "Engineering" }, team: { name: "Engineering" }, tier: "pro" },
    { match: { externalId: administratorsGroup }, role: "admin" },
  ],
  rules: [
    {
      name: "Sales leads",
      when: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales" and title co "Lead"',
      role: "manager",
    },
  ],
  defaults: { role: "user", tier: null },
  autoTeams: true,
};

/** The same with a role granted to whoever is in a group of that name. */
export const carelessMapping = {
  ...mapping,
  groups: [{ match: { displayName: "Administrators" }, role: "admin" }, ...mapping.groups],
};

/** The same with a pro seat for everybody in Sales. */
export const generousMapping = {
  ...mapping,
  groups: mapping.groups.map((entry) => (entry.match.displayName === "Sales" ? { ...entry, tier: "pro" } : entry)),
};

/** The same with one more rule: principals manage. */
export const laterMapping = {
  rules: [{ name: "Principals", when: 'title sw "Principal"', role: "manager" }, ...mapping.rules],
  groups: mapping.groups,
  defaults: mapping.defaults,
  autoTeams: true,
};
