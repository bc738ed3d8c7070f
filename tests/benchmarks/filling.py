"""A database of any size, filled by PostgreSQL itself: three years, 300 clinics, six automations.

Distributions are the demo's where they matter to a plan: few large clinics and many small ones, growth over
the years, 39 % engaged, 69 % leads, 16 % bookings, some texts and dates that look odd. It is seeded.
"""

import psycopg

CLINICS = 300
RUNS = 2000
# Rejected records are few: one in 400, nine in ten of them resolved.
REJECTED_ONE_IN = 400

DIMENSIONS = """
    SELECT setseed(0.25);
    INSERT INTO automations (name, name_key) VALUES ('Instagram Direct', 'instagram direct');
    INSERT INTO clients (name, name_key)
    SELECT 'Clinic ' || n, 'clinic ' || n FROM generate_series(1, {clinics}) n;
    INSERT INTO locations (client_id, name) SELECT id, name FROM clients ORDER BY id;
    INSERT INTO location_automations SELECT l.id, a.id FROM locations l CROSS JOIN automations a;
    INSERT INTO customers (external_id, name, email, phone)
    SELECT 'JC-' || n, 'Person ' || n, 'person' || n || '@example.com',
           '(555) 555-01' || lpad((n % 100)::text, 2, '0')
    FROM generate_series(1, {rows} * 85 / 100) n;
    INSERT INTO import_logs (trigger, triggered_by, mode, status, started_at, completed_at, watermark,
        processed, unchanged, conversations, bookings, leads, engaged, changed_data)
    SELECT 'scheduler', 'scheduler', CASE WHEN n % 14 = 0 THEN 'full' ELSE 'incremental' END, 'succeeded', at,
           at + interval '10 seconds', at - interval '5 minutes', {rows}, {rows}, {rows}, 1, 1, 1, true
    FROM generate_series(1, {runs}) n,
         LATERAL (SELECT timestamptz '2025-12-31 18:00Z' - ({runs} - n) * interval '12 hours' AS at) t;
"""

# The power makes a few clinics large, the root lets the number of conversations grow over the three years.
CONVERSATIONS = """
    INSERT INTO conversations (external_id, client_id, location_id, automation_id, customer_id, occurred_at,
        date_status, local_date, local_hour, engaged, lead_created, booked, other_booking_text,
        contact_name, contact_email, contact_phone, first_import_id, last_import_id)
    SELECT 'rec' || lpad(to_hex(d.n), 14, '0'), k.clients[d.place], k.locations[d.place],
           k.automations[d.automation], d.customer, d.at,
           CASE WHEN d.odd < 0.003 THEN 'unreadable' WHEN d.odd < 0.02 THEN 'absent' ELSE 'read' END,
           (d.at AT TIME ZONE 'America/New_York')::date,
           extract(hour FROM d.at AT TIME ZONE 'America/New_York'),
           d.engaged, d.lead, d.booking < 0.155,
           CASE WHEN d.booking > 0.99 THEN 'March 14, 2024' WHEN d.booking > 0.9899 THEN 'May 2, 2026' END,
           CASE WHEN d.odd < 0.92 THEN 'Person' END, CASE WHEN d.odd < 0.75 THEN 'person@example.com' END,
           CASE WHEN d.odd < 0.85 THEN '(555) 555-0100' END, k.run, k.run
    FROM (SELECT n, 1 + floor({clinics} * power(random(), 2.2))::int AS place,
                 width_bucket(random(), ARRAY[-1, 0.45, 0.70, 0.84, 0.92, 0.97]) AS automation,
                 {first} + floor(random() * {customers})::bigint AS customer,
                 date_trunc('day', timestamptz '2023-01-01' + 1094 * sqrt(random()) * interval '1 day')
                     + (9 + 19 * (random() + random()) / 2) * interval '1 hour' AS at,
                 random() < 0.39 AS engaged, random() < 0.69 AS lead, random() AS booking, random() AS odd
          FROM generate_series(1, {rows}) n) d
    CROSS JOIN (SELECT (SELECT array_agg(client_id ORDER BY id) FROM locations) AS clients,
                       (SELECT array_agg(id ORDER BY id) FROM locations) AS locations,
                       (SELECT array_agg(id ORDER BY id) FROM automations) AS automations,
                       (SELECT max(id) FROM import_logs) AS run) k
    ORDER BY d.at
"""

CONSEQUENCES = """
    INSERT INTO bookings (conversation_id, raw_text, booked_for)
    SELECT id, 'March 14, 2025 2:30 PM', CASE WHEN id % 25 > 0 THEN occurred_at + interval '3 days' END
    FROM conversations WHERE booked;
    INSERT INTO leads (conversation_id) SELECT id FROM conversations WHERE lead_created;
    INSERT INTO rejected_records (import_id, external_id, reason, cells, rejected_at, resolved_at)
    SELECT k.run, 'rejected' || n, (ARRAY['missing_clinic', 'missing_user_id', 'too_long'])[1 + n % 3],
           CASE WHEN n % 10 = 0 THEN jsonb_build_object('User ID', 'lost-' || n) END, now(),
           CASE WHEN n % 10 > 0 THEN now() END
    FROM generate_series(1, {rows} / {rejected}) n CROSS JOIN (SELECT max(id) AS run FROM import_logs) k;
    UPDATE import_logs SET refused_deletions = ARRAY(SELECT id FROM conversations ORDER BY id LIMIT 5000)
    WHERE id = (SELECT max(id) FROM import_logs);
"""


def fill(url: str, rows: int) -> None:
    """Fill a database of empty tables and seeded automations; vacuumed, as autovacuum leaves it."""
    with psycopg.connect(url, autocommit=True) as connection:
        # A superuser's right: what is made here refers to what is made here; checking it takes minutes.
        connection.execute("SET session_replication_role = replica")
        known = {"clinics": CLINICS, "rows": rows, "runs": RUNS, "rejected": REJECTED_ONE_IN}
        connection.execute(DIMENSIONS.format(**known).encode())
        first, customers = connection.execute("SELECT min(id), count(*) FROM customers").fetchone() or (0, 0)
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'conversations' AND indexname LIKE 'ix%'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"'.encode())
        statement = CONVERSATIONS.format(**known, first=first, customers=customers)
        connection.execute(statement.encode())
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute(CONSEQUENCES.format(**known).encode())
        connection.execute("VACUUM (ANALYZE)")
