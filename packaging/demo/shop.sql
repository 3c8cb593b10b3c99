-- A small shop, the same rows every time. Run as superuser in an empty database with -v app_password=...
\set ON_ERROR_STOP on
BEGIN;

CREATE TABLE customers (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL,
  email      text NOT NULL UNIQUE,
  city       text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE TABLE products (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku         text NOT NULL UNIQUE,
  name        text NOT NULL,
  price_cents integer NOT NULL CHECK (price_cents > 0),
  stock       integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers,
  status      text NOT NULL CHECK (status IN ('placed', 'paid', 'shipped', 'returned')),
  placed_at   timestamptz NOT NULL
);
CREATE TABLE order_items (
  order_id         bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
  line             integer NOT NULL,
  product_id       bigint NOT NULL REFERENCES products,
  quantity         integer NOT NULL CHECK (quantity > 0),
  unit_price_cents integer NOT NULL,
  PRIMARY KEY (order_id, line)
);
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at);
CREATE INDEX order_items_by_product ON order_items (product_id);
COMMENT ON TABLE order_items IS 'The price is the one at the time of the order.';

INSERT INTO customers (name, email, city, created_at)
SELECT first || ' ' || last, lower(first) || '.' || lower(last) || n || '@example.com',
       (ARRAY['Zürich', 'Lyon', 'Kraków', 'Porto', 'Malmö', 'Gent', 'Graz', 'Cork'])[1 + n % 8],
       timestamptz '2025-01-01 08:00+00' + n * interval '26 hours'
FROM (SELECT n, (ARRAY['Ada', 'Björn', 'Chiara', 'Dmitri', 'Eszter', 'Fatima', 'Gustav', 'Hana', 'Inès', 'João'])[1 + n % 10] AS first,
             (ARRAY['Alder', 'Bauer', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia', 'Horvath', 'Ivanova'])[1 + n * 7 % 9] AS last
      FROM generate_series(1, 120) AS n) AS people;

INSERT INTO products (sku, name, price_cents, stock)
SELECT 'RF-' || lpad(n::text, 4, '0'),
       (ARRAY['Oak', 'Steel', 'Linen', 'Copper', 'Cork', 'Walnut'])[1 + n % 6] || ' ' ||
       (ARRAY['lamp', 'shelf', 'chair', 'kettle', 'tray', 'stool', 'clock', 'board'])[1 + n * 5 % 8],
       490 + (n * 739) % 24500, (n * 37) % 200
FROM generate_series(1, 48) AS n;

INSERT INTO orders (customer_id, status, placed_at)
SELECT 1 + (n * 53) % 120, (ARRAY['placed', 'paid', 'shipped', 'shipped', 'shipped', 'returned'])[1 + n % 6],
       timestamptz '2025-06-01 06:30+00' + n * interval '7 hours 13 minutes'
FROM generate_series(1, 400) AS n;

INSERT INTO order_items (order_id, line, product_id, quantity, unit_price_cents)
SELECT o.id, line, p.id, 1 + (o.id * line) % 4, p.price_cents
FROM orders AS o
CROSS JOIN LATERAL generate_series(1, 1 + (o.id % 3)::int) AS line
JOIN products AS p ON p.id = 1 + (o.id * 11 + line * 17) % 48;

CREATE VIEW order_totals AS
SELECT o.id AS order_id, c.name AS customer, o.status, o.placed_at, sum(i.quantity * i.unit_price_cents) AS total_cents
FROM orders AS o JOIN customers AS c ON c.id = o.customer_id JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id, c.name;

-- The role that Ringfence logs in with. People never see its password.
CREATE ROLE shop_app LOGIN PASSWORD :'app_password';
GRANT ALL ON SCHEMA public TO shop_app;
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop_app;
COMMIT;
ANALYZE;
