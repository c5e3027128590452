-- Catalogues (CTMU*): small tables that everything else refers to. 'A' is active.

CREATE TABLE ctmu008_motivo_error (
    id_motivo_error integer PRIMARY KEY,
    tipo_error integer NOT NULL,  -- 1 error, 2 warning
    descripcion varchar(200) NOT NULL,
    activo char(1) NOT NULL DEFAULT 'A'
);

CREATE TABLE ctmu009_subsistema (
    id_subsistema integer PRIMARY KEY,
    descripcion varchar(150) NOT NULL,
    activo char(1) NOT NULL DEFAULT 'A'
);

CREATE TABLE ctmu011_estatus_procesamiento (
    id_estatus_procesamiento integer PRIMARY KEY,
    descripcion varchar(60) NOT NULL,
    activo char(1) NOT NULL DEFAULT 'A'
);

CREATE TABLE ctmu014_estatus_inscripcion (
    id_estatus_inscripcion integer PRIMARY KEY,
    descripcion varchar(60) NOT NULL,
    activo char(1) NOT NULL DEFAULT 'A'
);

INSERT INTO ctmu008_motivo_error (id_motivo_error, tipo_error, descripcion) VALUES
    (1, 1, 'CURP NO LOCALIZADA EN RENAPO'),
    (2, 1, 'ALUMNO SIN MATRICULA EN EL SUBSISTEMA'),
    (3, 1, 'PROGRAMA ACADEMICO INEXISTENTE'),
    (4, 2, 'CORREO SIN VERIFICAR'),
    (5, 2, 'INSCRIPCION REPETIDA EN EL CICLO');

-- Twelve subsystems, as SEP-MUSES has; the names are invented.
INSERT INTO ctmu009_subsistema (id_subsistema, descripcion) VALUES
    (1, 'SUBSISTEMA TECNOLOGICO DE ENSAYO'),
    (2, 'SUBSISTEMA POLITECNICO DE ENSAYO'),
    (3, 'SUBSISTEMA NORMALISTA DE ENSAYO'),
    (4, 'SUBSISTEMA UNIVERSITARIO NORTE DE ENSAYO'),
    (5, 'SUBSISTEMA UNIVERSITARIO SUR DE ENSAYO'),
    (6, 'SUBSISTEMA INTERCULTURAL DE ENSAYO'),
    (7, 'SUBSISTEMA PEDAGOGICO DE ENSAYO'),
    (8, 'SUBSISTEMA ABIERTO Y A DISTANCIA DE ENSAYO'),
    (9, 'SUBSISTEMA DE LAS ARTES DE ENSAYO'),
    (10, 'SUBSISTEMA AGROPECUARIO DE ENSAYO'),
    (11, 'SUBSISTEMA DEL MAR DE ENSAYO'),
    (12, 'SUBSISTEMA PARTICULAR DE ENSAYO');

INSERT INTO ctmu011_estatus_procesamiento (id_estatus_procesamiento, descripcion) VALUES
    (1, 'RECIBIDO'),
    (2, 'VALIDADO'),
    (3, 'PROCESADO'),
    (4, 'ERROR'),
    (5, 'CANCELADO');

INSERT INTO ctmu014_estatus_inscripcion (id_estatus_inscripcion, descripcion) VALUES
    (1, 'INSCRITO'),
    (2, 'REINSCRITO'),
    (3, 'BAJA TEMPORAL'),
    (4, 'BAJA DEFINITIVA'),
    (5, 'EGRESADO');
