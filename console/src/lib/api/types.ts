/** Short names for the bodies that `schema.gen.ts` holds. */
import type { components } from "@/lib/api/schema.gen";

type Schemas = components["schemas"];

export type Call = Schemas["CallTold"];
export type CallPage = Schemas["CallPage"];
export type Key = Schemas["KeyTold"];
export type KeyPage = Schemas["KeyPage"];
export type KeyCreated = Schemas["KeyCreated"];
export type KeyRotated = Schemas["KeyRotated"];
export type KeyRevoked = Schemas["KeyRevoked"];
export type CreateKey = Schemas["CreateKey"];
/** What an API fills in; only what is set is there. */
export type Defaults = Schemas["DefaultsAsked"];
export type Api = Omit<Schemas["ApiTold"], "state" | "defaults"> & { state: "ready" | "disabled" | "broken"; defaults: Defaults };
export interface ApiPage {
  apis: Api[];
  next_cursor: string | null;
}
export type ApiWritten = Api & Pick<Schemas["ApiWritten"], "revision" | "warnings">;
export type ApiRemoved = Schemas["ApiRemoved"];
export type CreateApi = Schemas["CreateApi"];
export type ChangeApi = Schemas["ChangeApi"];
export type Provider = Schemas["ProviderTold"];
export type ProviderPage = Schemas["ProviderPage"];
export type ProviderWritten = Schemas["ProviderWritten"];
export type ProviderTested = Schemas["ProviderTested"];
export type ProviderRefreshed = Schemas["ProviderRefreshed"];
export type Model = Schemas["ModelTold"];
export type ModelPage = Schemas["ModelPage"];
export type ModelWritten = Schemas["ModelWritten"];
export type Report = Schemas["ReportTold"];
export type Row = Schemas["RowTold"];
export type Refusal = Schemas["RefusalTold"];
export type RefusalPage = Schemas["RefusalPage"];
export type Setting = Schemas["SettingTold"];
export type Findings = Schemas["FindingsTold"];
export type Checks = Schemas["ChecksTold"];
export type Backup = Schemas["BackupTold"];
export type User = Schemas["UserTold"];
export type UserPage = Schemas["UserPage"];
export type LoginSession = Schemas["SessionTold"];
export type SessionList = Schemas["SessionList"];
export type Token = Schemas["TokenTold"];
export type TokenCreated = Schemas["TokenCreated"];
export type TokenList = Schemas["TokenList"];
export type Factor = Schemas["FactorTold"];
export type Enrolment = Schemas["EnrolmentTold"];
export type Invitation = Schemas["InvitationTold"];
export type InvitationCreated = Schemas["InvitationCreated"];
export type InvitationPage = Schemas["InvitationPage"];
export type Project = Schemas["ProjectTold"];
export type ProjectPage = Schemas["ProjectPage"];
export type Member = Schemas["MemberTold"];
export type MemberPage = Schemas["MemberPage"];
export type AuditRow = Schemas["AuditRowTold"];
export type AuditPage = Schemas["AuditPage"];
export type AuditChecked = Schemas["AuditChecked"];
export type Issuer = Schemas["IssuerTold"];
export type IssuerList = Schemas["IssuerList"];
export type CreateIssuer = Schemas["CreateIssuer"];
export type ChangeIssuer = Schemas["ChangeIssuer"];
export type ChangeKey = Schemas["ChangeKey"];
export type KeyChanged = Schemas["KeyChanged"];
export type Erased = Schemas["Erased"];
