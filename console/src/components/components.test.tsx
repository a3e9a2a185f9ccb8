import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { describe, expect, it, vi } from "vitest";
import { axe } from "vitest-axe";

import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { SecretField, Segmented, Switch, TextField } from "@/components/field";
import { Failed } from "@/components/panel";
import { ApiError } from "@/lib/api/request";

describe("a button", () => {
  it("says its act while it runs, and ignores the second click", async () => {
    const act = vi.fn();
    const { rerender } = render(<Button onClick={act}>Create key</Button>);
    await userEvent.click(screen.getByRole("button"));
    rerender(
      <Button onClick={act} busy="Creating…">
        Create key
      </Button>,
    );
    await userEvent.click(screen.getByRole("button"));
    expect(act).toHaveBeenCalledTimes(1);
    expect(screen.getByRole("button").textContent).toContain("Creating…");
  });
});

describe("fields", () => {
  it("put the error in the help's place and tell it", () => {
    render(<TextField label="Name" help="By which people know it" error="Give it a name." />);
    expect(screen.queryByText("By which people know it")).toBeNull();
    expect(screen.getByRole("alert").textContent).toContain("Give it a name.");
    expect(screen.getByRole("textbox").getAttribute("aria-invalid")).toBe("true");
  });
  it("mask a secret until one asks", async () => {
    render(<SecretField label="Secret" defaultValue="hush" />);
    const field = screen.getByLabelText("Secret");
    expect(field.getAttribute("type")).toBe("password");
    await userEvent.click(screen.getByRole("button", { name: "Show" }));
    expect(field.getAttribute("type")).toBe("text");
  });
  it("have no serious finding of axe", async () => {
    const { container } = render(
      <main>
        <h1>Form</h1>
        <TextField label="Name" error="Give it a name." />
        <SecretField label="Secret" />
        <Switch label="On" checked onChange={() => undefined} />
        <Segmented label="Range" value="a" options={[{ value: "a", label: "A" }, { value: "b", label: "B" }]} onChange={() => undefined} />
      </main>,
    );
    const { violations } = await axe(container);
    expect(violations.map((each) => each.id)).toEqual([]);
  });
});

describe("a dialog", () => {
  function Holder() {
    const [open, setOpen] = useState(false);
    return (
      <>
        <button onClick={() => setOpen(true)}>open</button>
        <Dialog open={open} onClose={() => setOpen(false)} title="Revoke" focus="[data-cancel]">
          <button>Revoke</button>
          <button data-cancel="">Cancel</button>
        </Dialog>
      </>
    );
  }
  it("puts the focus where one is safe, and closes with Esc", async () => {
    render(<Holder />);
    await userEvent.click(screen.getByText("open"));
    expect(document.activeElement?.textContent).toBe("Cancel");
    await userEvent.keyboard("{Escape}");
    expect(screen.queryByRole("dialog")).toBeNull();
  });
  it("writes no style sheet, which the policy would refuse", async () => {
    const before = document.querySelectorAll("style").length;
    render(<Holder />);
    await userEvent.click(screen.getByText("open"));
    expect(document.querySelectorAll("style").length).toBe(before);
  });
});

it("a failure tells the server's sentence and the request's id", () => {
  render(<Failed error={new ApiError(422, { type: "x", code: "y", message: "the address is wrong", param: null, request_id: "req_1" })} />);
  expect(screen.getByRole("alert").textContent).toContain("the address is wrong");
  expect(screen.getByRole("alert").textContent).toContain("req_1");
});
