"""The demo: a local server that speaks Airtable's protocol, and its made-up records.

The constants are what the product's reader needs to import from it; they open made-up records alone.
"""

DEMO_TOKEN = "patDemo.made-up-records-only"  # noqa: S105 -- opens the demo's made-up records, nothing else
DEMO_BASE_ID = "appJointChiroDemo"
DEMO_TABLE_NAME = "Conversations"
