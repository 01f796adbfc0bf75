import { expect, it } from "vitest";
import { authenticate } from "../../src/auth/authenticate.ts";
import { findAuthority } from "../../src/auth/authority.ts";
import { changeRole, createRole } from "../../src/provisioning/roles.ts";
import { mintToken } from "../../src/provisioning/tokens.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { makeDeps, makeTenant } from "../helpers/tenant.ts";

describeOnBoth("the authority of a token", (getDb) => {
  it("GRD-5 does not grow when an edit of its role adds reserved permissions, and shrinks with the role", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    await createRole(deps, tenant.admin, { key: "helper", name: "Helper", rank: 15, permissions: ["users.read"] });
    const { token } = await mintToken(deps, tenant.admin, { label: "helper", scopes: ["api"], role: "helper" });
    const helper = await authenticate(deps, `Bearer ${token}`);
    const authority = () => findAuthority(deps.db, helper, deps.clock());
    expect(await authority()).toEqual(["users.read"]);
    await changeRole(deps, tenant.admin, "helper", { permissions: ["users.read", "reports.read", "users.manage"] });
    expect(await authority()).toEqual(["users.read", "reports.read"]);
    await changeRole(deps, tenant.admin, "helper", { permissions: ["reports.read"] });
    expect(await authority()).toEqual(["reports.read"]);
  });
});
